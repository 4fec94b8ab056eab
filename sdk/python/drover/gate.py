"""The wrapper of every call of a replica: counting, errors and shutdown."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc

from .errors import StatusError, refusal
from .load import REFUSED_TRAILER, Load, Refused
from .program_errors import status_of, unknown_error
from .request_context import Identity, RequestContext, RequestMetadata, begin_request
from .status_wire import Trailers, encode_status

T = TypeVar("T")

#: How long a caller that was refused by an ending replica should wait, in seconds, until another
#: replica takes its place.
RETRY_ELSEWHERE = 1.0
#: The message to callers whose requests are still ongoing when the replica ends.
STOPPED_TEXT = "the replica was stopped before the request ended: it may go on for graceful_shutdown_timeout at most"


class Ending(Exception):
    """The status and trailers that a call ends with."""

    def __init__(self, status: StatusError, trailers: Trailers = ()) -> None:
        super().__init__(status.message)
        self.status = status
        self.trailers = trailers

    def arguments(self) -> tuple[grpc.StatusCode, str, Trailers]:
        """The arguments for a context's `abort`."""
        code, message, details = encode_status(self.status)
        return code, message, (*self.trailers, *details)


class Gate:
    """Counts requests, gives each its context, turns errors into statuses, and ends open calls when
    the replica ends. `forward_metadata`: what calls by handles take along of a request."""

    def __init__(self, load: Load, identity: Identity, forward_metadata: Sequence[str] = ()) -> None:
        self._load = load
        self._identity = identity
        self._forward_metadata = forward_metadata
        self._closing = False
        self._open: dict[asyncio.Task[Any], grpc.aio.ServicerContext] = {}

    async def run(self, context: Any, method: str, counts: bool, work: Callable[[], Awaitable[T]]) -> T:
        """Returns the answer of `work`; if it fails, ends the call with a status. `counts`: whether
        the call is a request."""
        task = asyncio.current_task()
        assert task is not None
        call = _Call(task)
        request: RequestContext | None = None
        try:
            self._enter(counts)
            ok = False
            self._open[task] = context
            try:
                if counts:
                    request = self._request(context, method)
                    begin_request(request)
                answer = await call.run(work)
                # A caller that left got no OK, whatever the program returned.
                ok = is_ok(context) and not call.left
                return answer
            finally:
                del self._open[task]
                if request is not None:
                    if call.left:
                        request.leave()
                    request.end()
                if counts:
                    self._load.end(ok)
        except grpc.aio.AbortError:
            raise  # the call has ended already
        except BaseException as error:  # a method neither ends the process nor leaves its caller waiting
            if isinstance(error, GeneratorExit) and not _is_current(task):
                raise  # Python closes a coroutine that does not run any more
            # The caller does not wait any more: an error of the program after that is not its own.
            if call.left or (self._closing and context.done()):
                if not context.done():
                    await _end_cancelled(context, error)
                raise asyncio.CancelledError from None
            code, message, trailers = ending_of(error, method, context, request).arguments()
            await context.abort(code, message, (*(context.trailing_metadata() or ()), *trailers))
            raise  # never: abort raises

    def _enter(self, counts: bool) -> None:
        if self._closing:
            raise Ending(_shutting_down())
        if not counts:
            return
        try:
            self._load.begin()
        except Refused as refused:
            raise Ending(refused.status, ((REFUSED_TRAILER, refused.trailer),)) from None

    def _request(self, context: Any, method: str) -> RequestContext:
        metadata = RequestMetadata(context.invocation_metadata() or ())
        request = RequestContext(self._identity, context.time_remaining(), metadata, self._forward_metadata)
        request.method = method
        return request

    async def close(self) -> None:
        """Ends all open calls with SHUTTING_DOWN, whatever their handlers do, and refuses new
        ones."""
        self._closing = True
        for task, context in list(self._open.items()):
            try:
                await context.abort(*Ending(_shutting_down()).arguments())
            except Exception:
                pass  # abort always raises
            task.cancel()


class _Call:
    """Records whether a call's task was cancelled, as gRPC does when the caller leaves, also if the
    program catches it."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._left = False

    @property
    def left(self) -> bool:
        if sys.version_info >= (3, 11):
            return self._task.cancelling() > 0
        return self._left

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        if sys.version_info >= (3, 11):
            return await work()
        # A task of older Python does not record it: so a second task does the work, and this one
        # gets the cancellation.
        second = asyncio.ensure_future(_without_exit(work))
        while not second.done():
            try:
                await asyncio.wait([second])
            except asyncio.CancelledError:
                self._left = True
                second.cancel()
        return second.result()


async def _without_exit(work: Callable[[], Awaitable[T]]) -> T:
    try:
        return await work()
    except (SystemExit, KeyboardInterrupt) as error:  # would end the event loop
        raise RuntimeError(f"the program raised {type(error).__name__}") from error


def _is_current(task: asyncio.Task[Any]) -> bool:
    try:
        return asyncio.current_task() is task
    except RuntimeError:  # no loop runs
        return False


async def _end_cancelled(context: Any, error: BaseException) -> None:
    """Ends the call for a caller that is still there: the program itself cancelled the task of the
    request."""
    status = status_of(error) or StatusError("CANCELLED", "the program cancelled the task of the request")
    try:
        await context.abort(*Ending(status).arguments())
    except grpc.aio.AbortError:
        raise
    except Exception:
        pass  # it left


def is_ok(context: Any) -> bool:
    """Whether the handler left the status at OK; it may set another one without raising."""
    code = context.code()
    return code in (None, 0, grpc.StatusCode.OK)


def ending_of(error: BaseException, method: str, context: Any, request: RequestContext | None) -> Ending:
    """The ending for an error: a status of the program's own, else a fixed text."""
    if isinstance(error, Ending):
        return error
    if not is_ok(context):  # the program has set a status at the context
        return Ending(StatusError(_code_of(context.code()), context.details() or ""))
    ending = Ending(status_of(error) or unknown_error(error, method, request))
    try:
        ending.arguments()
    except Exception as wrong:  # facts of a StatusError that have no form on the wire
        return Ending(unknown_error(wrong, method, request))
    return ending


def _code_of(code: Any) -> grpc.StatusCode:
    if isinstance(code, grpc.StatusCode):
        return code
    return next((known for known in grpc.StatusCode if known.value[0] == code), grpc.StatusCode.UNKNOWN)


def _shutting_down() -> StatusError:
    return refusal("SHUTTING_DOWN", STOPPED_TEXT, retry_after=RETRY_ELSEWHERE)
