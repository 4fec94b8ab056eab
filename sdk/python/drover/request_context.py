"""The context of a request, for a program's method."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple


class Identity(NamedTuple):
    """The replica's place in the cluster, for contexts and `GetInfo`."""

    replica_id: str
    deployment: str
    revision: int


class RequestContext:
    """The argument for a method's second parameter, `context`."""

    def __init__(self, identity: Identity, deadline: float | None, metadata: Mapping[str, str | bytes]) -> None:
        #: When the caller stops waiting, in seconds since 1970 as in `time.time()`; None: never.
        self.deadline = deadline
        #: The metadata that the caller sent. Names are in lower case; values are text, or bytes if
        #: the name ends in `-bin`.
        self.metadata = metadata
        #: Set when the caller has left or its deadline has passed. The task of an async method is
        #: also cancelled then; a method in a thread that runs for long should check this event, or
        #: wait for it.
        self.cancelled = threading.Event()
        self._identity = identity

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
