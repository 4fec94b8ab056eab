"""The event loop that this process calls deployments on.

In grpc.aio, all event loops of a process share one queue of events: each event wakes all of them,
and the loops that find nothing log a BlockingIOError (grpc/grpc#25364). A channel also belongs to
the loop that it was made on. So one loop makes all calls of a process, and other loops and threads
wait for it: in a replica it is the loop that serves, else a loop in a thread of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import Awaitable, Callable

#: How long the calls' loop may take to close its connections when the process ends, in seconds.
CLOSE = 1.0

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_closers: list[Callable[[], Awaitable[None]]] = []


def serve_calls() -> None:
    """Makes the running loop the one for calls, before the first call."""
    global _loop
    with _lock:
        _loop = asyncio.get_running_loop()


def call_loop() -> asyncio.AbstractEventLoop:
    """The loop for calls. A loop that was closed, such as that of a test, is replaced."""
    global _loop, _thread
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_run, args=(_loop,), name="drover-calls", daemon=True)
            _thread.start()
            logging.getLogger("asyncio").addFilter(_is_no_idle_wakeup)
            atexit.register(_close)
        return _loop


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread; None: there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def close_with_loop(close: Callable[[], Awaitable[None]]) -> None:
    """Awaits `close` before the loop of the thread ends."""
    _closers.append(close)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _close() -> None:
    """When the process ends: without this, gRPC's threads would run while Python is taken down."""
    loop, thread = _loop, _thread
    if loop is None or thread is None or not thread.is_alive():
        return

    async def close() -> None:
        try:
            await asyncio.wait_for(asyncio.gather(*(close() for close in _closers), return_exceptions=True), CLOSE)
        except asyncio.TimeoutError:
            pass
        loop.stop()

    asyncio.run_coroutine_threadsafe(close(), loop)
    thread.join(2 * CLOSE)


def _is_no_idle_wakeup(record: logging.LogRecord) -> bool:
    """Drops what a loop of the program's own logs, if it uses grpc.aio, when an event was for the
    calls' loop. Nothing is lost with that."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, BlockingIOError) and "PollerCompletionQueue" in record.getMessage())
