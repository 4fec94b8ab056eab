"""Counts and bounds a replica's requests."""

from __future__ import annotations

import asyncio
import threading
from typing import NamedTuple

from .errors import StatusError, refusal

#: The trailer of a call that was refused before it began: it is safe to send it to another replica.
REFUSED_TRAILER = "drover-refused"

# How long a refused caller should wait, in seconds: a busy replica soon ends a request, a draining
# one is replaced.
RETRY_BUSY = 0.1
RETRY_DRAINING = 1.0


class Refused(Exception):
    """A request was refused before it began: the error, and the value of the trailer."""

    def __init__(self, status: StatusError, trailer: str) -> None:
        super().__init__(trailer)
        self.status = status
        self.trailer = trailer


class LoadReport(NamedTuple):
    """The counts of a replica's requests."""

    ongoing: int
    #: Ended with status OK.
    completed: int
    #: Ended with another status. Refused requests never began and do not count.
    failed: int


class Load:
    """Counts a replica's requests and streams from acceptance to end. Refuses requests above the
    bound and while the replica drains. Safe to use from any thread, except `idle`."""

    def __init__(self, ongoing_max: int) -> None:
        self._lock = threading.Lock()
        self._ongoing_max = ongoing_max
        self._ongoing = 0
        self._completed = 0
        self._failed = 0
        self._draining = False
        self._when_idle: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def begin(self) -> None:
        """Counts one more request, which `end` must follow. Raises `Refused`."""
        with self._lock:
            if self._draining:
                text = "the replica drains and takes no more requests"
                raise Refused(refusal("REPLICA_DRAINING", text, retry_after=RETRY_DRAINING), "draining")
            if self._ongoing >= self._ongoing_max:
                text = f"the replica has {self._ongoing} requests in work; its max_ongoing_requests is {self._ongoing_max}"
                raise Refused(refusal("REPLICA_BUSY", text, retry_after=RETRY_BUSY), "busy")
            self._ongoing += 1

    def end(self, ok: bool) -> None:
        with self._lock:
            if ok:
                self._completed += 1
            else:
                self._failed += 1
            self._ongoing -= 1
            waiting = [] if self._ongoing else self._when_idle
            if waiting:
                self._when_idle = []
        for loop, event in waiting:
            loop.call_soon_threadsafe(event.set)

    def report(self) -> LoadReport:
        with self._lock:
            return LoadReport(self._ongoing, self._completed, self._failed)

    @property
    def draining(self) -> bool:
        return self._draining

    def limit(self, ongoing_max: int) -> None:
        """Sets the bound on requests at a time. Ongoing requests go on, also above the bound."""
        with self._lock:
            self._ongoing_max = ongoing_max

    def drain(self) -> None:
        """Refuses all requests from now on, for ever."""
        with self._lock:
            self._draining = True

    async def idle(self, within: float) -> None:
        """Waits until no request is ongoing, for at most `within` seconds."""
        event = asyncio.Event()
        with self._lock:
            if self._ongoing == 0:
                return
            self._when_idle.append((asyncio.get_running_loop(), event))
        try:
            await asyncio.wait_for(event.wait(), within)
        except asyncio.TimeoutError:
            pass
