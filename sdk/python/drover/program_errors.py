"""How errors of a program reach its callers."""

from __future__ import annotations

import sys

import grpc

from .errors import StatusError, refusal
from .status_wire import decode_status
from .tracebacks import traceback_text

#: The message to the caller for an error that the program did not mean for callers.
FIXED_TEXT = "the program failed; the cause is in the replica's log"

REQUEST_ID_KEY = "x-request-id"


def status_of(error: BaseException) -> StatusError | None:
    """The error as a status: a `StatusError`, or the failure of a gRPC call that the program made;
    None: neither."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, grpc.RpcError) and callable(getattr(error, "code", None)):
        return decode_status(error)
    return None


def unknown_error(error: BaseException, method: str, request_id: str | None) -> StatusError:
    """Writes the cause to the log, with the request id that the caller gets too. Returns the status
    for the caller."""
    if request_id is None:
        import random

        request_id = f"{random.getrandbits(48):012x}"
    request_id = request_id[:128]
    write_error(f"request {request_id}: {method} failed", error)
    return refusal("PROGRAM_ERROR", FIXED_TEXT, metadata={"request_id": request_id})


def write_error(what: str, error: BaseException) -> None:
    """Writes it in one piece, so that threads do not mix their lines."""
    sys.stderr.write(f"{what}: {traceback_text(error)}\n")
    sys.stderr.flush()
