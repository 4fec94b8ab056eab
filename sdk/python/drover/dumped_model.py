"""The fields of a pydantic model, whose binary values stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What JSON has, or what goes beside it.
_KEPT = (type(None), bool, int, float, str, bytes, bytearray, memoryview)


def dumped(model: Any) -> object:
    """What `model_dump(mode="json")` returns, apart from binary values."""
    return _jsonable(model.model_dump(mode="python"))


def _jsonable(value: object) -> object:
    if type(value) in _KEPT:
        return value
    if isinstance(value, Mapping):
        return {_key(name): _jsonable(member) for name, member in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_jsonable(item) for item in value]
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return to_jsonable_python(value)
    except PydanticSerializationError:
        return value  # such as an array, or what is refused by its place


def _key(name: object) -> object:
    if isinstance(name, str):
        return name
    from pydantic_core import to_jsonable_python

    return next(iter(to_jsonable_python({name: None})))
