"""The context of a request: an argument for a program's method, and the request in work."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import NamedTuple, Union

#: The metadata key of a request's id.
REQUEST_ID_KEY = "x-request-id"
#: The metadata key of the model that a request needs.
MODEL_KEY = "drover-model"
#: The longest id that is kept of a caller's; the rest is cut.
REQUEST_ID_CHARACTERS_MAX = 128


class Identity(NamedTuple):
    """The replica's place in the cluster, for contexts and `GetInfo`."""

    replica_id: str
    deployment: str
    revision: int


class RequestMetadata(Mapping[str, Union[str, bytes]]):
    """The metadata of a request.

    Upper and lower case make no difference in names. Values are text, or bytes where the name ends
    in `-bin`. Text that came several times is joined by `, `; `get_all` returns each value, and so
    it does of bytes, of which the mapping has the first.
    """

    def __init__(self, pairs: Iterable[tuple[str, str | bytes]]) -> None:
        self._values: dict[str, list[str | bytes]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str | bytes:
        values = self._values[name.lower()]
        text = [value for value in values if isinstance(value, str)]
        return ", ".join(text) if text else values[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get_all(self, name: str) -> list[str | bytes]:
        """All values, in the order in which they came; empty: there is none."""
        return list(self._values.get(name.lower(), ()))


class RequestContext:
    """What a method's parameter gets that is named `context`, or annotated with this class;
    `drover.context()` returns it too.

    Args:
        left: seconds until the caller stops waiting; None: it waits for ever.
        forward_metadata: names of metadata that calls by handles take along.
    """

    def __init__(self, identity: Identity, left: float | None, metadata: RequestMetadata, forward_metadata: Sequence[str] = ()) -> None:
        #: When the caller stops waiting, in seconds since 1970 as in `time.time()`; None: never.
        self.deadline = None if left is None else time.time() + left
        #: The same by `time.monotonic()`, which nobody sets.
        self.ends = None if left is None else time.monotonic() + left
        #: The metadata that the caller sent.
        self.metadata = metadata
        #: Set when the caller has left or its deadline has passed. The task of an async method is
        #: also cancelled then; a method in a thread that runs for long should check this event, or
        #: wait for it.
        self.cancelled = threading.Event()
        #: The id of the request, from `x-request-id`; made here if the caller sent none.
        self.request_id = _request_id(metadata)
        #: The name of the method. Of a program's own service: the whole name in gRPC.
        self.method = ""
        self.forward_metadata = forward_metadata
        self._identity = identity
        self._lock = threading.Lock()
        self._left = False
        self._when_left: set[Callable[[], None]] = set()
        self._when_ended: list[Callable[[], None]] = []

    def is_cancelled(self) -> bool:
        """Whether the caller does not wait for the answer any more."""
        return self.cancelled.is_set()

    @property
    def replica_id(self) -> str:
        return self._identity.replica_id

    @property
    def deployment(self) -> str:
        """The name of the deployment."""
        return self._identity.deployment

    @property
    def revision(self) -> int:
        """The revision of the program, 1 or more; 0 if no controller started it."""
        return self._identity.revision

    @property
    def model(self) -> str | None:
        """The model that the request needs, by the metadata key `drover-model`; None: none."""
        given = next(iter(self.metadata.get_all(MODEL_KEY)), None)
        return given if isinstance(given, str) and given else None

    def on_end(self, end: Callable[[], None]) -> None:
        """Calls `end` when the request is over, on the event loop that serves. Only Drover calls it."""
        self._when_ended.append(end)

    def end(self) -> None:
        """The request is over. Only Drover calls it."""
        ends, self._when_ended = self._when_ended, []
        for end in ends:
            end()

    def leave(self) -> None:
        """The caller has left: ends what the request has begun elsewhere. Only Drover calls it."""
        with self._lock:
            self._left = True
            ends, self._when_left = self._when_left, set()
        self.cancelled.set()
        for end in ends:
            end()

    def on_leave(self, end: Callable[[], None]) -> None:
        """Calls `end` when the caller leaves, in any thread; at once if it has left."""
        with self._lock:
            if not self._left:
                self._when_left.add(end)
                return
        end()

    def off_leave(self, end: Callable[[], None]) -> None:
        """Takes back `on_leave`."""
        with self._lock:
            self._when_left.discard(end)


_in_work: ContextVar[RequestContext | None] = ContextVar("drover_request", default=None)


def context() -> RequestContext | None:
    """The context of the request in work, in any function that the request's method calls; None
    outside of requests. Tasks and `asyncio.to_thread` inherit it; a thread of your own does not."""
    return _in_work.get()


def for_batch(requests: Sequence[RequestContext]) -> RequestContext | None:
    """The context of a batch of requests: its deadline is the last of theirs, and its model that of
    each. None: of none."""
    if not requests:
        return None
    first = requests[0]
    now = time.monotonic()
    left = [request.ends - now for request in requests if request.ends is not None]
    model = [] if first.model is None else [(MODEL_KEY, first.model)]
    batch = RequestContext(
        first._identity, max(left) if len(left) == len(requests) else None, RequestMetadata(model), first.forward_metadata
    )
    batch.method = first.method
    return batch


def begin_request(request: RequestContext | None) -> None:
    """Makes it the request in work of the current task and of what the task starts."""
    _in_work.set(request)


def _request_id(metadata: RequestMetadata) -> str:
    given = next(iter(metadata.get_all(REQUEST_ID_KEY)), "")
    return given[:REQUEST_ID_CHARACTERS_MAX] if isinstance(given, str) and given else os.urandom(6).hex()
