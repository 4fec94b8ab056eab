"""The arguments of a method and its results, as what a program gives and takes, and as messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from .errors import FieldViolation, StatusError, invalid
from .json_value import NotJson, TooManyValues, ValueCount, json_to_value, path_of_wrong, value_to_json
from .parts import Parts, WrongPart, place_parts

#: The most JSON values of a request.
JSON_VALUES_MAX = 2_000_000
#: The most arguments by position, and by name.
ARGUMENTS_MAX = 10_000


class GivenArguments(NamedTuple):
    """The arguments of a call; both empty: none was given."""

    positional: Sequence[object]
    #: By the parameter's name.
    named: Mapping[str, object]


def encode_arguments(request: Any, positional: Sequence[object], named: Mapping[str, object]) -> None:
    """Writes the arguments into an `InvokeRequest` or `InvokeServerStreamRequest`. One argument by
    position goes as `json` or `bytes`. Raises a `TypeError` with the place of what cannot be sent."""
    if len(positional) == 1 and not named:
        if _is_bytes(positional[0]):
            request.bytes = bytes(cast(bytes, positional[0]))
            return
        _write_argument(positional[0], request.json, request.parts, (), "[0]")
        request.json.SetInParent()
        return
    for index, argument in enumerate(positional):
        value = request.arguments.positional.add()
        _write_argument(argument, value, request.parts, (str(index), "positional"), f"[{index}]")
    for name, argument in named.items():
        _write_argument(argument, request.arguments.named[name], request.parts, (name, "named"), f".{name}")


def _write_argument(argument: object, value: Any, parts: Any, names: Sequence[str], place: str) -> None:
    taken = Parts(parts)
    first = len(taken)
    try:
        json_to_value(argument, value, taken)
    except NotJson as error:
        raise TypeError(f"the arguments are not JSON: arguments{place}{error.path} is {error.what}") from None
    for name in names:
        taken.put_under(name, first)


def decode_arguments(request: Any) -> GivenArguments:
    """The arguments of a request. Raises INVALID_FIELD for a part without a place, for what is
    no JSON, and for more than a request may hold."""
    kind = request.WhichOneof("input")
    count = ValueCount(JSON_VALUES_MAX)
    try:
        if kind == "json":
            return GivenArguments([place_parts(_given(request.json, count, "json"), request.parts)], {})
        if kind == "arguments":
            for field, given in (("positional", request.arguments.positional), ("named", request.arguments.named)):
                if len(given) > ARGUMENTS_MAX:
                    raise WrongPart(f"arguments.{field}", f"{len(given)} arguments, and at most {ARGUMENTS_MAX} are read")
            positional = [
                _given(value, count, f"arguments.positional[{index}]") for index, value in enumerate(request.arguments.positional)
            ]
            named = {name: _given(value, count, name) for name, value in request.arguments.named.items()}
            root = place_parts({"positional": positional, "named": named}, request.parts)
            return GivenArguments(root["positional"], root["named"])
        if request.parts:
            raise WrongPart("parts", "only json and arguments have parts")
    except WrongPart as error:
        raise invalid([FieldViolation(error.field, str(error))]) from None
    except TooManyValues as error:
        raise invalid([FieldViolation(str(kind), str(error))]) from None
    return GivenArguments([request.bytes] if kind == "bytes" else [], {})


def _given(value: Any, count: ValueCount, field: str) -> object:
    try:
        return value_to_json(value, count)
    except NotJson as error:
        raise invalid([FieldViolation(field + (path_of_wrong(value) or ""), error.what)]) from None


def encode_result(response: Any, result: object) -> None:
    """Writes a result, or an item of a stream, into a response. Raises `NotJson`."""
    if _is_bytes(result):
        response.bytes = bytes(cast(bytes, result))
        return
    json_to_value(result, response.json, Parts(response.parts))
    response.json.SetInParent()


def decode_result(response: Any) -> Any:
    """The result in a response. Raises INTERNAL for a part without a place."""
    if response.WhichOneof("output") == "bytes":
        return bytes(response.bytes)
    try:
        return place_parts(value_to_json(response.json), response.parts)
    except WrongPart as error:
        raise StatusError("INTERNAL", f"the response is wrong: {error.field}: {error}", reason="PROTOCOL_VIOLATION") from None


def _is_bytes(thing: object) -> bool:
    if isinstance(thing, memoryview):
        return thing.format in ("B", "c") and thing.ndim == 1
    return isinstance(thing, (bytes, bytearray))
