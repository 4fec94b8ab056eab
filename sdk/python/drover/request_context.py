"""What a program's method may know of its request."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple


class Identity(NamedTuple):
    """Who a replica is."""

    replica_id: str
    deployment: str
    revision: int


class RequestContext:
    """Given to a method that has a second parameter, `context`."""

    def __init__(self, identity: Identity, deadline: float | None, metadata: Mapping[str, str | bytes]) -> None:
        #: When the caller stops waiting, in seconds since 1970 as `time.time()` tells them; None: never.
        self.deadline = deadline
        #: What the caller sent beside the argument: names in lower case, to text, or to bytes where a name ends in `-bin`.
        self.metadata = metadata
        #: Is set when the caller has left or its deadline has passed. An async method is also cancelled then, as any
        #: task is; a method in a thread should look, or wait at this event, where it works for long.
        self.cancelled = threading.Event()
        self._identity = identity

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
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
        """The revision of the program, 1 or more; 0 where no controller has started it."""
        return self._identity.revision
