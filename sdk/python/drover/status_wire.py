"""Statuses on the wire: code, message, and details in the trailer `grpc-status-details-bin`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import grpc

from .errors import CODES, FieldViolation, StatusError

#: The trailer that carries a serialized `google.rpc.Status`.
DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "drover"

# Some clients drop trailers above 8 KiB. The message is sent twice: percent-encoded, and in the
# details, which grow by a third in base64.
MESSAGE_BYTES_MAX = 1536
VIOLATION_BYTES_MAX = 2304
METADATA_BYTES_MAX = 768
#: Bound on the bytes of all typed details together. Details beyond it are left out.
DETAIL_BYTES_MAX = 2048

Trailers = Sequence[tuple[str, "str | bytes"]]


def encode_status(error: StatusError) -> tuple[grpc.StatusCode, str, Trailers]:
    """The code, message and trailers that end a call. Parts that do not fit in 8 KiB of trailers
    are shortened visibly."""
    message = shorten(error.message, MESSAGE_BYTES_MAX)
    details = _details_of(error)
    trailers: Trailers = ()
    if details:
        from google.rpc import status_pb2  # only here: most replicas never fail

        status = status_pb2.Status(code=CODES[error.code], message=message, details=details)
        trailers = ((DETAILS_KEY, status.SerializeToString()),)
    return grpc.StatusCode[error.code], message, trailers


def _details_of(error: StatusError) -> list[Any]:
    typed = _fit_details(error.details)
    metadata = _fit_metadata(error.metadata)
    if error.reason is None and not metadata and not error.violations and error.retry_after is None:
        return typed
    from google.protobuf import duration_pb2
    from google.rpc import error_details_pb2

    messages: list[Any] = []
    # The reasons are Drover's: the status of a program has its metadata alone.
    if error.reason is not None or metadata:
        messages.append(error_details_pb2.ErrorInfo(domain=DOMAIN, reason=error.reason or "", metadata=metadata))
    if error.violations:
        violation = error_details_pb2.BadRequest.FieldViolation
        # Typed details take the bytes that metadata leaves; beyond those, they take from the
        # violations.
        left = METADATA_BYTES_MAX - sum(_encoded_bytes(name) + _encoded_bytes(value) for name, value in metadata.items())
        left = VIOLATION_BYTES_MAX + min(0, left - sum(_detail_bytes(detail) for detail in typed))
        fields = [violation(field=field, description=text) for field, text in _fit_violations(error.violations, left)]
        messages.append(error_details_pb2.BadRequest(field_violations=fields))
    if error.retry_after is not None:
        milliseconds = max(0, math.ceil(error.retry_after * 1000))
        delay = duration_pb2.Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)
        messages.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return [_packed(message) for message in messages] + typed


def _packed(message: Any) -> Any:
    from google.protobuf import any_pb2

    if isinstance(message, any_pb2.Any):
        return message
    detail = any_pb2.Any()
    detail.Pack(message)
    return detail


def _fit_details(details: Sequence[Any]) -> list[Any]:
    fitting: list[Any] = []
    left = DETAIL_BYTES_MAX
    for detail in map(_packed, details):
        if _detail_bytes(detail) <= left:
            left -= _detail_bytes(detail)
            fitting.append(detail)
    return fitting


def _detail_bytes(detail: Any) -> int:
    return len(detail.type_url) + len(detail.value)


def is_not_connected(error: Any) -> bool:
    """Whether there was no connection to send the call by. gRPC has no other sign of that than its
    text: without the text, the call may have been delivered."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and "failed to connect" in (error.details() or "")


def decode_status(error: grpc.RpcError) -> StatusError:
    """The error that a server answered. A status of another kind of server keeps its code and
    message, without a reason."""
    code = error.code()
    facts: dict[str, Any] = {}
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            facts = _read_details(value)
    return StatusError("UNKNOWN" if code is grpc.StatusCode.OK else code, error.details() or "", **facts)


def _read_details(data: bytes) -> dict[str, Any]:
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2

    facts: dict[str, Any] = {}
    try:
        details = status_pb2.Status.FromString(data).details
        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        for detail in details:
            if detail.Unpack(info) and info.domain == DOMAIN:
                facts["reason"] = info.reason or None
                facts["metadata"] = dict(info.metadata)
            elif detail.Unpack(bad):
                facts["violations"] = [FieldViolation(one.field, one.description) for one in bad.field_violations]
            elif detail.Unpack(retry):
                facts["retry_after"] = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
            else:  # such as the ErrorInfo of another domain
                facts.setdefault("details", []).append(detail)
    except DecodeError:
        pass  # not a google.rpc.Status: code and message still hold
    return facts


def shorten(text: str, bytes_max: int) -> str:
    """Shortens to at most `bytes_max` percent-encoded bytes. Replaces lone surrogates, which have
    no encoding."""
    whole = text[: bytes_max + 1].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if len(text) <= bytes_max and _encoded_bytes(whole) <= bytes_max:
        return whole
    size = 0
    for end, character in enumerate(whole):
        size += _encoded_bytes(character)
        if size > bytes_max - 9:  # the ellipsis takes nine
            return whole[:end] + "…"
    return whole + "…"


def _encoded_bytes(text: str) -> int:
    return len(quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"))


def _fit_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    fitting: dict[str, str] = {}
    left = METADATA_BYTES_MAX
    for key, value in metadata.items():
        name = shorten(str(key), METADATA_BYTES_MAX)
        left -= _encoded_bytes(name)
        if left <= 9:
            break
        fitting[name] = shorten(str(value), left)
        left -= _encoded_bytes(fitting[name])
    return fitting


def _fit_violations(violations: Sequence[FieldViolation], left: int) -> list[FieldViolation]:
    fitting: list[FieldViolation] = []
    for violation in violations:
        field, description = shorten(violation.field, 256), shorten(violation.description, 512)
        left -= len(field.encode()) + len(description.encode()) + 8
        if left < 0:
            fitting.append(FieldViolation("", f"{len(violations) - len(fitting)} more"))
            break
        fitting.append(FieldViolation(field, description))
    return fitting
