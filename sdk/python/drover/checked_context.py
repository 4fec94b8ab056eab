"""A context for own services that checks the metadata that a program sends: gRPC leaves a call
without an answer for a key that it does not send, and loses the connection for too much of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NoReturn

#: The largest metadata that a call sends at a time, in bytes as HTTP/2 counts them: the gateway
#: takes no more.
METADATA_BYTES_MAX = 64 * 1024
#: What HTTP/2 counts for each header, besides its name and value.
HEADER_BYTES_MIN = 32

#: What gRPC itself sends, or HTTP/2 forbids.
RESERVED = frozenset(
    "grpc-status grpc-message grpc-encoding grpc-accept-encoding content-type content-length te "
    "connection upgrade http2-settings keep-alive proxy-connection transfer-encoding __proto__".split()
)

_KEY = re.compile(r"[0-9a-z_.-]+", re.ASCII)
_TEXT = re.compile(r"[ -~]*", re.ASCII)

Pairs = Sequence[tuple[str, "str | bytes"]]


class CheckedContext:
    """A `grpc.aio.ServicerContext`. Raises ValueError for metadata that cannot be sent."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def send_initial_metadata(self, initial_metadata: Pairs) -> None:
        await self._inner.send_initial_metadata(checked(initial_metadata))

    def set_trailing_metadata(self, trailing_metadata: Pairs) -> None:
        self._inner.set_trailing_metadata(checked(trailing_metadata))

    async def abort(self, code: Any, details: str = "", trailing_metadata: Pairs = ()) -> NoReturn:
        await self._inner.abort(code, details, checked(trailing_metadata))
        raise AssertionError("abort always raises")

    async def abort_with_status(self, status: Any) -> NoReturn:
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def checked(pairs: Pairs) -> Pairs:
    """The pairs themselves. Raises ValueError if one of them cannot be sent."""
    size = 0
    pairs = tuple((key, value) for key, value in pairs)
    for key, value in pairs:
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ValueError(f"the metadata key {key!r} must be of lower-case letters, digits and any of _-.")
        if key in RESERVED:
            raise ValueError(f"the metadata key {key!r} is reserved for gRPC and HTTP: choose another one")
        size += len(key) + _size_of(key, value) + HEADER_BYTES_MIN
    if size > METADATA_BYTES_MAX:
        raise ValueError(f"the metadata has {size} bytes, and at most {METADATA_BYTES_MAX} are sent")
    return pairs


def _size_of(key: str, value: object) -> int:
    if key.endswith("-bin"):
        if not isinstance(value, bytes):
            raise ValueError(f"the value of the metadata key {key!r} must be bytes, as the key ends in -bin")
        return -(-len(value) * 4 // 3)
    if not isinstance(value, str) or not _TEXT.fullmatch(value):
        raise ValueError(f"the value of the metadata key {key!r} must be text in printable ASCII")
    return len(value)
