"""JSON values in Python and in `google.protobuf.Value`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Union

from google.protobuf import struct_pb2

from .dumped_model import dumped

#: Any JSON value.
Json = Union[None, bool, int, float, str, "list[Json]", "dict[str, Json]"]

#: Nested levels of JSON: protobuf readers commonly stop at 100 nested messages, and a level takes
#: three.
LEVELS_MAX = 32

#: Whole numbers up to here are exact in JSON, whose numbers are floats.
EXACT_MAX = 2**53


class NotJson(TypeError):
    """A value that has no form in JSON; `path` is its place in the whole value."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.path = ""


class PartsTaken(Protocol):
    """Where the binary values of a JSON value go."""

    def take(self, thing: object) -> bool:
        """Adds the part of a binary value, with an empty path; False: it is not binary."""

    def put_under(self, name: str, first: int) -> None:
        """Puts a name before the paths of the parts from `first` on."""

    def __len__(self) -> int: ...


class TooManyValues(ValueError):
    """More JSON values than a message may hold."""


class ValueCount:
    """Counts the JSON values of a message, and its levels; an object or a list counts as two values.
    A message of 64 MiB can hold 32 million, which take minutes and gigabytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._level = 0

    def leave(self) -> None:
        """An object or a list has ended."""
        self._level -= 1

    def enter(self, members: int) -> None:
        """An object or a list begins. Raises `TooManyValues`, and `NotJson` for too many levels."""
        if self._level == LEVELS_MAX:
            raise NotJson(f"must have at most {LEVELS_MAX} levels of JSON objects and lists")
        self._level += 1
        self._left -= members + 1
        if self._left < 0:
            text = f"the JSON of one request may hold {self._most} values at most; an object or a list counts as two"
            raise TooManyValues(f"{text}: send many numbers as an array, which goes as bytes")


def value_to_json(value: struct_pb2.Value, count: ValueCount | None = None) -> Json:
    """The JSON value in a message; an empty message is None. Whole numbers are ints. With `count`,
    raises `TooManyValues`, and `NotJson` for a number that JSON does not have, and for too
    many levels."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return str(value.string_value)
    if kind == "number_value":
        number: float = value.number_value
        if count is not None and not math.isfinite(number):
            raise NotJson(f"{_name_of(number)} is no JSON; send it in an array, which goes as bytes")
        return int(number) if number.is_integer() and abs(number) <= EXACT_MAX else number
    if kind == "bool_value":
        return bool(value.bool_value)
    if kind == "struct_value":
        fields = value.struct_value.fields
        if count is not None:
            count.enter(len(fields))
        json = {name: value_to_json(member, count) for name, member in fields.items()}
        if count is not None:
            count.leave()
        return json
    if kind == "list_value":
        values = value.list_value.values
        if count is not None:
            count.enter(len(values))
        items = [value_to_json(item, count) for item in values]
        if count is not None:
            count.leave()
        return items
    return None


def _name_of(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def path_of_wrong(value: struct_pb2.Value, level: int = 0) -> str | None:
    """The place of the first thing in a message that is no JSON, or too deep; None: there is none."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return None if math.isfinite(value.number_value) else ""
    members: Iterable[tuple[str, struct_pb2.Value]] = ()
    if kind == "struct_value":
        members = ((f".{name}", member) for name, member in value.struct_value.fields.items())
    elif kind == "list_value":
        members = ((f"[{index}]", item) for index, item in enumerate(value.list_value.values))
    else:
        return None
    if level == LEVELS_MAX:
        return ""
    for step, member in members:
        path = path_of_wrong(member, level + 1)
        if path is not None:
            return step + path
    return None


def json_to_value(json: object, value: struct_pb2.Value, parts: PartsTaken | None = None) -> None:
    """Writes `plain(json)` into `value`. Raises `NotJson`."""
    _write(plain(json, 0, parts), value)


def _write(json: Json, value: struct_pb2.Value) -> None:
    if json is None:
        value.null_value = struct_pb2.NULL_VALUE
    elif isinstance(json, bool):
        value.bool_value = json
    elif isinstance(json, str):
        value.string_value = json
    elif isinstance(json, (int, float)):
        value.number_value = json
    elif isinstance(json, dict):
        fields = value.struct_value.fields
        value.struct_value.SetInParent()
        for name, member in json.items():
            _write(member, fields[name])
    else:
        values = value.list_value.values
        value.list_value.SetInParent()
        for item in json:
            _write(item, values.add())


def plain(json: object, level: int = 0, parts: PartsTaken | None = None) -> Json:
    """A copy made of Python's own JSON types.

    Tuples become lists. Dataclasses and objects with `model_dump` (pydantic) become dicts. Arrays
    and scalars with `tolist` (numpy, torch) become the result of that. Dates and times become ISO
    8601 text. Raises `NotJson` if JSON would lose something: NaN, ints beyond 2^53, sets, bytes,
    keys that are not text. With `parts`, a binary value becomes None, and goes there.
    """
    if json is None or isinstance(json, (bool, str)):
        return text_of(json) if isinstance(json, str) else json
    if isinstance(json, int):
        if abs(json) > EXACT_MAX:
            raise NotJson("an int beyond 2^53, which JSON would round; give it as text")
        return int(json)
    if isinstance(json, float):
        if not math.isfinite(json):
            raise NotJson(_name_of(json))
        return float(json)
    if level == LEVELS_MAX:
        raise NotJson(f"more than {LEVELS_MAX} levels, or an object that contains itself")
    if isinstance(json, Mapping):
        return _plain_object(json, level, parts)
    if isinstance(json, (list, tuple)):
        return [_within(f"[{index}]", str(index), item, level, parts) for index, item in enumerate(json)]
    if parts is not None and parts.take(json):
        return None
    return plain(_converted(json, parts), level + 1, parts)


def _plain_object(mapping: Mapping[Any, object], level: int, parts: PartsTaken | None) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for name, member in mapping.items():
        if not isinstance(name, str):
            raise NotJson(f"an object with the key {name!r}, which is not text")
        text = text_of(name)
        members[text] = _within(f".{text}", text, member, level, parts)
    return members


def _within(step: str, name: str, json: object, level: int, parts: PartsTaken | None) -> Json:
    first = 0 if parts is None else len(parts)
    try:
        member = plain(json, level + 1, parts)
    except NotJson as error:
        error.path = step + error.path
        raise
    if parts is not None and len(parts) > first:
        parts.put_under(name, first)
    return member


def text_of(text: str) -> str:
    """The text itself, also of a member of `class Color(str, Enum)`, whose `str()` is its name.
    Raises `NotJson`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotJson("text with half a character (a lone surrogate)") from None
    return str.__str__(text)


def _converted(thing: object, parts: PartsTaken | None) -> object:
    kind = type(thing)
    if parts is not None and callable(getattr(kind, "model_dump", None)):
        return dumped(thing)
    for name in ("model_dump", "tolist", "isoformat"):
        convert = getattr(kind, name, None)
        if callable(convert):
            return convert(thing, mode="json") if name == "model_dump" else convert(thing)
    if dataclasses.is_dataclass(thing):
        return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    if hasattr(kind, "__await__"):
        raise NotJson("something to await (is an await missing?)")
    raise NotJson(f"a {kind.__name__}")
