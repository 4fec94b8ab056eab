"""Errors that a caller is meant to see, and the reasons of Drover's own errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: The gRPC status codes of failures, and their numbers on the wire.
CODES: Mapping[str, int] = {
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}

#: The code of each reason that a replica or a handle fails with; names of the proto enum `ErrorReason`.
CODE_OF_REASON: Mapping[str, str] = {
    "INVALID_FIELD": "INVALID_ARGUMENT",
    "MESSAGE_TOO_LARGE": "INVALID_ARGUMENT",
    "SERVICE_NOT_FOUND": "NOT_FOUND",
    "METHOD_NOT_FOUND": "NOT_FOUND",
    "RECONFIGURE_REFUSED": "FAILED_PRECONDITION",
    "STALE_EPOCH": "FAILED_PRECONDITION",
    "WRONG_REPLICA": "FAILED_PRECONDITION",
    "TOKEN_MISMATCH": "PERMISSION_DENIED",
    "REPLICA_BUSY": "RESOURCE_EXHAUSTED",
    "REPLICA_DRAINING": "UNAVAILABLE",
    "REPLICA_LOST": "UNAVAILABLE",
    "SHUTTING_DOWN": "UNAVAILABLE",
    "CANCELLED": "CANCELLED",
    "DEADLINE": "DEADLINE_EXCEEDED",
    "PROGRAM_ERROR": "INTERNAL",
}


class FieldViolation(NamedTuple):
    """One wrong field of a request."""

    #: Path of the field in proto names, for example `user_config.limits[0]`.
    field: str
    #: What is wrong with it.
    description: str


class Callee(NamedTuple):
    """The method of a deployment that a handle called."""

    deployment: str
    method: str
    #: The id of the replica; None: the call went through the gateway.
    replica: str | None = None


class StatusError(Exception):
    """A gRPC status that a caller is meant to see.

    Raise it in a method to answer with this status. Any other exception reaches the caller as
    `INTERNAL` with a fixed text. Calls of Drover's clients fail with it.

    Args:
        code: a name of `CODES`, such as `"NOT_FOUND"`, or a `grpc.StatusCode` other than `OK`.
        message: the text for the caller.
        reason: the cause, finer than the code; only Drover sets it.
        violations: the wrong fields of the request.
        retry_after: after how many seconds to try again; None: waiting does not help.
        metadata: names and values for machines. They reach the caller in a `google.rpc.ErrorInfo`;
            together at most 768 bytes, the rest is cut.
        details: protobuf messages for the caller, each as it is or as a `google.protobuf.Any`;
            together at most 2 KiB, what exceeds it is left out. In an error that was received, each
            is a `google.protobuf.Any`.
        callee: which deployment failed, in an error of a handle's call; only Drover sets it. If a
            method lets the error pass, its own caller gets it as CALLEE_FAILED.

    Raises:
        ValueError: there is no such code.
    """

    def __init__(
        self,
        code: object,
        message: str,
        *,
        reason: str | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
        details: Sequence[Any] = (),
        callee: Callee | None = None,
    ) -> None:
        super().__init__(message)
        name = code if isinstance(code, str) else getattr(code, "name", code)
        if name not in CODES:
            raise ValueError(f"no status code of a failure: {code!r}; there are {', '.join(CODES)}")
        self.code: str = str(name)
        self.message = message
        self.reason = reason
        self.violations = tuple(violations)
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})
        self.details = tuple(details)
        self.callee = callee

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def refusal(reason: str, message: str, *, retry_after: float | None = None, metadata: Mapping[str, str] | None = None) -> StatusError:
    """The error for `reason`, with its code from the table."""
    return StatusError(CODE_OF_REASON[reason], message, reason=reason, retry_after=retry_after, metadata=metadata)


def invalid(violations: Sequence[FieldViolation]) -> StatusError:
    """INVALID_ARGUMENT with every wrong field; the message names the first."""
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    message = f"{first.field}: {first.description}{more}"
    return StatusError("INVALID_ARGUMENT", message, reason="INVALID_FIELD", violations=violations)
