"""The context of a request, for a program's method."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Union


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
    """The argument for a method's second parameter, `context`."""

    def __init__(self, identity: Identity, deadline: float | None, metadata: RequestMetadata) -> None:
        #: When the caller stops waiting, in seconds since 1970 as in `time.time()`; None: never.
        self.deadline = deadline
        #: The metadata that the caller sent.
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
