"""How errors of a program reach its callers."""

from __future__ import annotations

import sys

import grpc

from .errors import StatusError, refusal
from .request_context import RequestContext
from .status_wire import decode_status
from .tracebacks import traceback_text


def status_of(error: BaseException) -> StatusError | None:
    """The error as a status: a `StatusError`, or the failure of a gRPC call that the program made;
    None: neither."""
    if isinstance(error, StatusError):
        return error if error.callee is None else callee_failed(error)
    if isinstance(error, grpc.RpcError) and callable(getattr(error, "code", None)):
        return decode_status(error)
    return None


def callee_failed(error: StatusError) -> StatusError:
    """The status for the caller of a program that let an error of a deployment pass, which it
    called by a handle. The fields that the callee refused are none of the caller's."""
    callee = error.callee
    assert callee is not None
    facts = {"callee": callee.deployment, "callee_method": callee.method}
    if error.reason is not None:
        facts["callee_reason"] = error.reason
    return StatusError(
        error.code,
        f'"{callee.deployment}" ({callee.method}): {error.message}',
        reason="CALLEE_FAILED",
        retry_after=error.retry_after,
        metadata={**facts, **{name: value for name, value in error.metadata.items() if name not in facts}},
        details=error.details,
    )


def unknown_error(error: BaseException, method: str, request: RequestContext | None) -> StatusError:
    """Writes the cause to the log, with the request's id. Returns the status for the caller, which
    says where the cause is."""
    if request is None:
        write_error(f"{method} failed", error)
        return refusal("PROGRAM_ERROR", f"{method} failed; the cause is in the replica's log")
    method, request_id, replica = request.method or method, request.request_id, request.replica_id
    write_error(f"request {request_id}: {method} failed", error)
    where = f"replica {replica}: drover logs {request.deployment} --replica {replica}" if replica else "the replica"
    text = f'method "{method}" failed in request {request_id}; the cause is in the log of {where}'
    return refusal("PROGRAM_ERROR", text, metadata={"request_id": request_id, "method": method, "replica_id": replica})


def write_error(what: str, error: BaseException) -> None:
    """Writes it in one piece, so that threads do not mix their lines."""
    write_line(f"{what}: {traceback_text(error)}")


def write_line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
