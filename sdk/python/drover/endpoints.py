"""What this process knows of the replicas of a deployment, and which of them gets a call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ._gen.drover.v1 import controller_service_pb2 as pb
from ._gen.drover.v1 import invoke_service_pb2_grpc as invoke_grpc
from .channel import open_async_channel

#: How long a replica that refused a call gets none from here, in seconds: a place is soon free.
REST_REFUSED = 0.1
#: How long a replica that could not be reached gets none from here, in seconds.
REST_UNREACHABLE = 1.0


class Endpoint:
    """A replica that gets calls, with the connection to it. Belongs to the loop for calls."""

    def __init__(self, replica_id: str, address: str) -> None:
        self.replica_id = replica_id
        self.address = address
        self.models: frozenset[str] = frozenset()
        #: How long a request may take, in seconds; None: no bound.
        self.request_timeout: float | None = None
        #: Calls of this process that are in work there.
        self.ongoing = 0
        #: It gets no call before this time of `time.monotonic()`.
        self.rests_until = 0.0
        #: It is no longer listed: its connection closes after its last call.
        self.gone = False
        self._channel: Any = None
        self._stub: Any = None

    @property
    def channel(self) -> Any:
        if self._channel is None:
            self._channel = open_async_channel(self.address)
        return self._channel

    @property
    def stub(self) -> Any:
        if self._stub is None:
            self._stub = invoke_grpc.InvokeServiceStub(self.channel)
        return self._stub

    def rest(self, seconds: float) -> None:
        """Gives it no calls for a moment."""
        self.rests_until = max(self.rests_until, time.monotonic() + seconds)

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()


class Endpoints:
    """The replicas of one deployment, as the controller listed them last."""

    def __init__(self) -> None:
        self._endpoints: dict[str, Endpoint] = {}
        self._ongoing_max = 0
        #: Calls of this process that wait at the gateway for want of room.
        self._waiting = 0

    def update(self, listed: pb.WatchEndpointsResponse) -> list[Endpoint]:
        """Takes the whole new list. Returns the replicas that are gone."""
        self._ongoing_max = listed.max_ongoing_requests
        timeout = listed.request_timeout.ToNanoseconds() / 1e9 if listed.HasField("request_timeout") else None
        before, self._endpoints = self._endpoints, {}
        for one in listed.endpoints:
            if not one.invocable or not in_reach(one.address):
                continue
            known = before.get(one.replica_id)
            endpoint = known if known is not None and known.address == one.address else Endpoint(one.replica_id, one.address)
            endpoint.models = frozenset(one.models)
            endpoint.request_timeout = timeout
            self._endpoints[one.replica_id] = endpoint
        gone = [endpoint for endpoint in before.values() if self._endpoints.get(endpoint.replica_id) is not endpoint]
        for endpoint in gone:
            endpoint.gone = True
        return gone

    def pick(self, model: str, now: float, draw: Callable[[], float]) -> Endpoint | None:
        """The replica for a call; None: none that is known has room, or calls of this process wait at
        the gateway already, which come first. With a model: only a replica that has loaded it.
        `draw` is uniform in [0, 1)."""
        if self._waiting > 0:
            return None
        free = [one for one in self._endpoints.values() if self._has_room(one, now) and (not model or model in one.models)]
        return less_loaded(free, draw(), draw()) if free else None

    def wait(self, model: str) -> bool:
        """A call goes to the gateway. True: it goes there for want of room, and later calls follow it
        until `end_wait`, so that the gateway, which counts what it sends, fills what is freed."""
        waits = any(not model or model in one.models for one in self._endpoints.values())
        self._waiting += waits
        return waits

    def end_wait(self) -> None:
        self._waiting -= 1

    def _has_room(self, endpoint: Endpoint, now: float) -> bool:
        return endpoint.ongoing < self._ongoing_max and endpoint.rests_until <= now

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints.values())


def less_loaded(endpoints: Sequence[Endpoint], draw1: float, draw2: float) -> Endpoint:
    """The one with fewer calls of two random ones. `draw1` and `draw2` are uniform in [0, 1)."""
    count = len(endpoints)
    first = int(draw1 * count)
    one = endpoints[first]
    other = one if count == 1 else endpoints[(first + 1 + int(draw2 * (count - 1))) % count]
    return other if other.ongoing < one.ongoing else one


def in_reach(address: str) -> bool:
    """Whether this process may reach the address: a unix socket must be here, and this user's."""
    if not address.startswith("unix:"):
        return True
    return os.access(address.removeprefix("unix:").removeprefix("//"), os.W_OK)
