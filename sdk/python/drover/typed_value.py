"""A value as the class that its parameter is annotated with."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from typing import Any

from .errors import FieldViolation, StatusError, invalid
from .media import Media
from .parts import file_of
from .user_config_schema import path_text


def typed(hint: Any, value: object, field: str) -> Any:
    """The value as a pydantic model or a dataclass, where the type is that, alone or in a list, a
    dict or a union; else the value as it is. Raises INVALID_FIELD."""
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if origin is typing.Annotated:
        return typed(args[0], value, field)
    if origin in (typing.Union, types.UnionType):
        return _one_of(args, value, field)
    if origin in (list, collections.abc.Sequence) and isinstance(value, list):
        return [typed(args[0], item, f"{field}[{index}]") for index, item in enumerate(value)]
    if origin in (dict, collections.abc.Mapping) and isinstance(value, dict):
        return {name: typed(args[1], member, f"{field}.{name}") for name, member in value.items()}
    if not isinstance(hint, type) or _is_one(value, hint):
        return value
    if hint is Media:
        return file_of(value) or value
    if callable(getattr(hint, "model_validate", None)):
        return _model(hint, value, field)
    return _dataclass(hint, value, field) if dataclasses.is_dataclass(hint) else value


def is_object(hint: Any) -> bool:
    """Whether a JSON object is a value of the type: a dict, a pydantic model or a dataclass."""
    kind = typing.get_origin(hint) or hint
    return kind in (dict, collections.abc.Mapping) or dataclasses.is_dataclass(kind) or callable(getattr(kind, "model_validate", None))


def _is_one(value: object, hint: Any) -> bool:
    """Whether the value is of the class. Of `Any`, of a `TypedDict` and of some protocols no value
    is: they cannot be asked."""
    try:
        return isinstance(hint, type) and isinstance(value, hint)
    except TypeError:
        return False


def _one_of(hints: tuple[Any, ...], value: object, field: str) -> Any:
    """The first of the types that the value fits."""
    failure: StatusError | None = None
    for hint in hints:
        try:
            found = typed(hint, value, field)
        except StatusError as error:
            failure = failure or error
            continue
        if found is not value or _is_one(value, hint):
            return found
    if failure is not None and isinstance(value, dict):
        raise failure
    return value


def _model(model: Any, value: object, field: str) -> object:
    try:
        return model.model_validate(value)
    except ValueError as error:  # pydantic's ValidationError is one
        issues = getattr(error, "errors", None)
        if not callable(issues):
            raise
        found = [FieldViolation(field + path_text(issue.get("loc", ())), str(issue.get("msg", "is wrong"))) for issue in issues()]
        raise invalid(found) from error


def _dataclass(kind: Any, value: object, field: str) -> object:
    if not isinstance(value, dict):
        raise invalid([FieldViolation(field, f"must be an object: the fields of {kind.__name__}")])
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    unknown = [FieldViolation(f"{field}.{name}", f"{kind.__name__} has no such field") for name in value if name not in fields]
    missing = [FieldViolation(f"{field}.{name}", "missing") for name, f in fields.items() if name not in value and _is_needed(f)]
    if unknown or missing:
        raise invalid([*unknown, *missing])
    hints = typing.get_type_hints(kind)
    members = {name: typed(hints.get(name), member, f"{field}.{name}") for name, member in value.items()}
    try:
        return kind(**members)
    except ValueError as error:  # what __post_init__ checks
        raise invalid([FieldViolation(field, str(error))]) from error


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
