"""Watches where the replicas are of the deployments that this process calls."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import grpc

from ._gen.drover.v1 import controller_service_pb2 as pb
from ._gen.drover.v1 import controller_service_pb2_grpc as pb_grpc
from .channel import open_async_channel
from .endpoints import Endpoint, Endpoints

#: How many deployments are watched; calls of further ones go through the gateway.
NAMES_MAX = 1000
#: The wait before a watch that ended is opened again, in seconds: the first, doubled at each
#: failure, and the longest.
RETRY_FIRST = 0.25
RETRY_MAX = 5.0


class EndpointWatch:
    """One stream for all deployments, which is opened again when it ends and when there is a
    further name. What is known stays meanwhile: a call to a replica that is gone goes to the
    gateway. Belongs to the loop for calls."""

    def __init__(self, api: str) -> None:
        self._api = api
        self._channel: Any = None
        self._known: dict[str, Endpoints] = {}
        self._more = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def acquire(self, deployment: str, model: str) -> Endpoint | None:
        """Takes a place at a replica with room, until `release`; None: none is known."""
        known = self._known.get(deployment)
        if known is None:
            self._add(deployment)
            return None
        endpoint = known.pick(model, time.monotonic(), random.random)
        if endpoint is not None:
            endpoint.ongoing += 1
        return endpoint

    def send_to_gateway(self, deployment: str, model: str) -> Callable[[], None]:
        """A call goes to the gateway. Returns what to call when it waits no more; again is harmless."""
        known = self._known.get(deployment)
        if known is None or not known.wait(model):
            return lambda: None
        ends = iter([known.end_wait])
        return lambda: next(ends, _nothing)()

    def release(self, endpoint: Endpoint) -> None:
        endpoint.ongoing -= 1
        if endpoint.gone and endpoint.ongoing == 0:
            self._close(endpoint)

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        for known in self._known.values():
            for endpoint in known:
                await endpoint.close()
        if self._channel is not None:
            await self._channel.close()

    def _add(self, deployment: str) -> None:
        if len(self._known) >= NAMES_MAX:
            return
        self._known[deployment] = Endpoints()
        self._more.set()
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        self._channel = open_async_channel(self._api)
        controller = pb_grpc.ControllerServiceStub(self._channel)
        failures = 0
        while True:
            self._more.clear()
            reading = asyncio.ensure_future(self._read(controller.WatchEndpoints(pb.WatchEndpointsRequest(names=list(self._known)))))
            more = asyncio.ensure_future(self._more.wait())
            try:
                await asyncio.wait([reading, more], return_when=asyncio.FIRST_COMPLETED)
                if not more.done():
                    failures = 0 if reading.result() else failures + 1
                    wait = min(RETRY_FIRST * 2**failures, RETRY_MAX) * (0.8 + 0.4 * random.random())
                    await asyncio.wait([more], timeout=wait)
            finally:
                more.cancel()
                reading.cancel()
                await asyncio.wait([reading])

    async def _read(self, listed: Any) -> bool:
        """Whether the stream had anything before it ended."""
        read = False
        try:
            async for one in listed:
                read = True
                self._learn(one)
        except grpc.RpcError:
            pass  # the watch opens it again, and calls go through the gateway
        finally:
            listed.cancel()
        return read

    def _learn(self, listed: pb.WatchEndpointsResponse) -> None:
        known = self._known.get(listed.deployment)
        if known is None:
            return
        for endpoint in known.update(listed):
            if endpoint.ongoing == 0:
                self._close(endpoint)

    def _close(self, endpoint: Endpoint) -> None:
        task = asyncio.get_running_loop().create_task(endpoint.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _nothing() -> None:
    pass
