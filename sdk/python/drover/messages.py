"""Messages of `ControllerService` from and to plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from . import types
from ._gen.drover.v1 import controller_service_pb2 as pb
from .json_value import value_to_json
from .spec import options_json

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def request_message(method: str, fields: Mapping[str, Any]) -> Any:
    """The request of a method. None is left out.

    Raises:
        TypeError: names the first field that is unknown or has the wrong type.
        ValueError: a value that its field cannot hold.
    """
    request = getattr(pb, f"{method}Request")()
    try:
        json_format.ParseDict(options_json(fields, request.DESCRIPTOR), request)
    except json_format.ParseError as error:
        raise ValueError(f"{method}: {error}") from None
    return request


def stream_message(method: str, fields: Any) -> Any:
    """One message of a stream that a method takes: a dataclass of `types`, or its fields by name.
    Nothing is copied or checked but by protobuf, as it may hold large bytes."""
    return getattr(pb, f"{method}Request")(**(fields if isinstance(fields, Mapping) else vars(fields)))


def read_message(message: Any) -> Any:
    """The message as its dataclass in `types`."""
    descriptor = message.DESCRIPTOR
    return getattr(types, descriptor.name)(**{field.name: read_field(message, field) for field in descriptor.fields})


def read_field(message: Any, field: FieldDescriptor) -> Any:
    """The value of a field of a message; None: it is not set."""
    value = getattr(message, field.name)
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        member = kind.fields_by_name["value"]
        return {key: _read_one(one, member) for key, one in value.items()}
    if field.is_repeated:
        return [_read_one(one, field) for one in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _read_one(value, field)


def _read_one(value: Any, field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return _enum_name(value, field)
    if field.message_type is None:
        return value
    name = field.message_type.full_name
    if name == "google.protobuf.Timestamp":
        return _EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    if name == "google.protobuf.Duration":
        return timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    if name == "google.protobuf.Value":
        return value_to_json(value)
    if name == "google.protobuf.Struct":
        return {key: value_to_json(member) for key, member in value.fields.items()}
    return read_message(value)


def _enum_name(number: int, field: FieldDescriptor) -> str | None:
    """The name without the enum's prefix; None for 0, which is unset. A value that this version
    does not know is its number as text."""
    if number == 0:
        return None
    names = field.enum_type.values_by_number
    prefix = str(names[0].name).removesuffix("UNSPECIFIED")
    return str(names[number].name).removeprefix(prefix) if number in names else str(number)
