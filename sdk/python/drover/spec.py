"""Reads the options of a deployment by the descriptor of `DeploymentSpec`, so that there is only
one list of them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from ._gen.drover.v1.deployment_pb2 import DeploymentSpec
from .durations import seconds_of
from .field_hint import field_hint
from .json_value import Json, NotJson, plain, text_of

#: Fields of the spec that are no options: the deploying side sets them.
NOT_OPTIONS = ("program",)

#: The `num_replicas` that follows the load, as in Ray Serve, and what it stands for: what was given
#: of `autoscaling_config` wins.
AUTO = "auto"
AUTOSCALING_OF_AUTO: dict[str, Json] = {"min_replicas": 1, "max_replicas": 100, "target_ongoing_requests": 2}

_SCALARS: dict[int, tuple[str, tuple[type, ...]]] = {
    FieldDescriptor.CPPTYPE_STRING: ("text", (str,)),
    FieldDescriptor.CPPTYPE_BOOL: ("True or False", (bool,)),
    FieldDescriptor.CPPTYPE_INT32: ("a whole number", (int,)),
    FieldDescriptor.CPPTYPE_INT64: ("a whole number", (int,)),
    FieldDescriptor.CPPTYPE_DOUBLE: ("a finite number", (int, float)),
}


def options_json(options: Mapping[str, Any], message: Descriptor = DeploymentSpec.DESCRIPTOR) -> dict[str, Json]:
    """The options as proto JSON of a `DeploymentSpec`, or of another message, with proto field
    names; None is left out.

    Raises a TypeError that names the first option that is unknown or has the wrong type. The API
    checks ranges.
    """
    return _read_message(options, message, "")


def _read_message(given: object, descriptor: Descriptor, path: str) -> dict[str, Json]:
    if dataclasses.is_dataclass(given):
        given = vars(given)
    if not isinstance(given, Mapping):
        _fail(path, "a dict", given)
    if descriptor.full_name == DeploymentSpec.DESCRIPTOR.full_name and given.get("num_replicas") == AUTO:
        given = {**given, "num_replicas": None, "autoscaling_config": _with_auto(given.get("autoscaling_config"))}
    names = [field.name for field in descriptor.fields if path or field.name not in NOT_OPTIONS]
    read: dict[str, Json] = {}
    for name, value in given.items():
        option = f"{path}.{name}" if path else str(name)
        if name not in names:
            known = {name: _inner(descriptor.fields_by_name[name]) for name in names}
            raise TypeError(f"deployment option {option}: there is no such option; {field_hint(str(name), known)}")
        if value is not None:
            read[name] = _read_field(value, descriptor.fields_by_name[name], option)
    return read


def _with_auto(given: object) -> object:
    """What `auto` stands for, with what was given instead of it."""
    if not isinstance(given, Mapping):
        return AUTOSCALING_OF_AUTO if given is None else given  # which is then refused
    return {**AUTOSCALING_OF_AUTO, **{name: value for name, value in given.items() if value is not None}}


def _inner(field: FieldDescriptor) -> dict[str, Any]:
    """The names of the options in an option, at every level."""
    message = field.message_type
    if message is None or _is_repeated(field) or message.full_name.startswith("google."):
        return {}
    return {one.name: _inner(one) for one in message.fields}


def _read_field(value: object, field: FieldDescriptor, option: str) -> Json:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        if not isinstance(value, Mapping):
            _fail(option, "a dict", value)
        member = message.fields_by_name["value"]
        return {_key(key, option): _read_one(one, member, f"{option}.{key}") for key, one in value.items()}
    if _is_repeated(field):
        if not isinstance(value, (list, tuple)):
            _fail(option, "a list", value)
        return [_read_one(one, field, f"{option}[{index}]") for index, one in enumerate(value)]
    return _read_one(value, field, option)


def _is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def _key(key: object, option: str) -> str:
    return _read_text(key, option) if isinstance(key, str) else _fail(option, "a dict whose keys are text", key)


def _read_text(text: str, option: str) -> str:
    try:
        return text_of(text)
    except NotJson as error:
        raise TypeError(f"deployment option {option}: must not be {error.what}") from None


def _read_one(value: object, field: FieldDescriptor, option: str) -> Json:
    message = field.message_type
    if message is None:
        return _read_enum(value, field.enum_type, option) if field.enum_type else _read_scalar(value, field, option)
    if message.full_name == "google.protobuf.Duration":
        return _read_duration(value, option)
    if message.full_name == "google.protobuf.Timestamp":
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.isoformat()
        return _fail(option, "a datetime with a time zone", value)
    if message.full_name == "google.protobuf.Value":
        return _read_json(value, option)
    if message.full_name == "google.protobuf.Struct":
        return _read_json(value, option) if isinstance(value, Mapping) else _fail(option, "a dict", value)
    return _read_message(value, message, option)


def _read_scalar(value: object, field: FieldDescriptor, option: str) -> Json:
    wanted, types = _SCALARS[field.cpp_type]
    is_one = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    if not is_one or (isinstance(value, float) and not math.isfinite(value)):
        _fail(option, wanted, value)
    return _read_text(value, option) if isinstance(value, str) else value  # type: ignore[return-value]


def _read_enum(value: object, enum: EnumDescriptor, option: str) -> str:
    """Reads a value by its proto name without the prefix, which is the name of value 0 without
    `UNSPECIFIED`."""
    names: list[str] = [one.name for one in enum.values]
    prefix = names[0].removesuffix("UNSPECIFIED")
    if isinstance(value, str) and value != "UNSPECIFIED" and prefix + value in names:
        return prefix + value
    return _fail(option, " or ".join(name.removeprefix(prefix) for name in names[1:]), value)


def _read_duration(value: object, option: str) -> str:
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d{1,9})?s", value, re.ASCII):
        return value
    seconds = seconds_of(value)
    if seconds is None:
        return _fail(option, 'a time: seconds as a number, or text like "1.5s", "10m" or "1h30m"', value)
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def _read_json(value: object, option: str) -> Json:
    try:
        return plain(value)
    except NotJson as error:
        raise TypeError(f"deployment option {option}: must be JSON, but {option}{error.path} is {error.what}") from None


def _fail(option: str, wanted: str, value: object) -> NoReturn:
    where = f"option {option}" if option else "options"
    raise TypeError(f"deployment {where}: must be {wanted}, not {_described(value)}")


def _described(value: object) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    return f"a {type(value).__name__}"
