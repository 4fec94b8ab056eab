"""The arguments of a program's constructor."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

#: The only member of a JSON object that stands for a handle; its value is the deployment's name.
DEPLOYMENT_KEY = "$deployment"


def with_handles(json: Any) -> Any:
    """A copy in which each `{"$deployment": NAME}`, at any depth, is a handle."""
    if isinstance(json, list):
        return [with_handles(item) for item in json]
    if not isinstance(json, dict):
        return json
    name = json.get(DEPLOYMENT_KEY)
    if len(json) == 1 and isinstance(name, str):
        from .handles import handle  # imported only here: most programs call no other

        return handle(name)
    return {key: with_handles(value) for key, value in json.items()}


def placed(signature: inspect.Signature, init_args: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a constructor by position and by keyword, from those by name. What takes no
    name goes by its place: parameters before `/`, and the list for `*parts` that has the name
    `parts`. Raises a TypeError that names one that is missing there."""
    parameters = signature.parameters.values()
    rest = [p for p in parameters if p.kind is Parameter.VAR_POSITIONAL and p.name in init_args]
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) if rest else (Parameter.POSITIONAL_ONLY,)
    keywords, args = dict(init_args), []
    for parameter in parameters:
        if parameter.kind in kinds:
            if parameter.name not in keywords and parameter.default is Parameter.empty:
                raise TypeError(f"missing a required argument: {parameter.name!r}")
            args.append(keywords.pop(parameter.name, parameter.default))
    return [*args, *(item for p in rest for item in keywords.pop(p.name))], keywords


def construct(factory: Callable[..., Any], init_args: Mapping[str, Any]) -> Any:
    """Calls what makes a program. A parameter that is annotated with a pydantic model or a dataclass
    gets one. Raises what the program raises, and INVALID_FIELD for a value that does not fit."""
    try:
        signature = inspect.signature(factory)
    except ValueError:  # some classes written in C have no signature
        return factory(**init_args)
    args, keywords = placed(signature, _with_types(factory, signature, init_args))
    return factory(*args, **keywords)


def _with_types(factory: Any, signature: inspect.Signature, init_args: Mapping[str, Any]) -> dict[str, Any]:
    from .typed_value import typed  # only a replica needs it

    try:
        types = typing.get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except Exception:  # a name that exists for type checkers only
        return dict(init_args)

    def read(name: str, value: Any) -> Any:
        parameter = signature.parameters.get(name)
        if parameter is not None and parameter.kind is Parameter.VAR_POSITIONAL:
            return [_typed(item, types.get(name), name) for item in value]
        return _typed(value, types.get(name), name)

    def _typed(value: Any, hint: Any, name: str) -> Any:
        return typed(hint, value, f"init_args.{name}") if isinstance(value, (dict, list)) else value

    return {name: read(name, value) for name, value in init_args.items()}
