"""What callers see of the errors of a program."""

from __future__ import annotations

import sys

import grpc

from .errors import StatusError, refusal
from .status_wire import decode_status
from .tracebacks import traceback_text

#: What a caller is told of an error that the program did not mean for it.
FIXED_TEXT = "the program failed; the cause is in the replica's log"

REQUEST_ID_KEY = "x-request-id"


def status_of(error: BaseException) -> StatusError | None:
    """The status that an error is: a `StatusError`, or what a gRPC call of the program's own failed with."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, grpc.RpcError) and callable(getattr(error, "code", None)):
        return decode_status(error)
    return None


def unknown_error(error: BaseException, method: str, request_id: str | None) -> StatusError:
    """Tells the log the cause, under the request id that the caller gets too."""
    if request_id is None:
        import random

        request_id = f"{random.getrandbits(48):012x}"
    request_id = request_id[:128]
    write_error(f"request {request_id}: {method} failed", error)
    return refusal("PROGRAM_ERROR", FIXED_TEXT, metadata={"request_id": request_id})


def write_error(what: str, error: BaseException) -> None:
    """In one piece, so that threads do not mix their lines."""
    sys.stderr.write(f"{what}: {traceback_text(error)}\n")
    sys.stderr.flush()
