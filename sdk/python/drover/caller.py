"""How a call by a handle reaches a replica: directly where one has room, else by the gateway."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from ._gen.drover.v1 import invoke_service_pb2 as pb
from ._gen.drover.v1 import invoke_service_pb2_grpc as pb_grpc
from .call_loop import close_with_loop
from .channel import open_async_channel
from .endpoint_watch import EndpointWatch
from .endpoints import REST_REFUSED, REST_UNREACHABLE, Endpoint
from .errors import Callee, StatusError, refusal
from .load import REFUSED_TRAILER
from .status_wire import decode_status, is_not_connected

#: How long a replica may take to be connected to, in seconds, before the gateway gets the call.
CONNECT = 1.0
#: After how many seconds a call may be made again of which the replica was lost, as at the gateway.
RETRY_LOST = 1.0
#: What gRPC says of a connection that was lost. It has no other sign of that than its text.
_LOST = re.compile(
    r"(Socket|Connection|Transport) closed|Stream removed|Endpoint closing"
    r"|((recvmsg|sendmsg): ?)?(Connection reset by peer|Broken pipe)( \(\d+\))?|(GOAWAY|keepalive|ping).*"
)
#: A longer deadline is none, in seconds: gRPC has no timer for it.
DEADLINE_MAX = 10 * 365 * 86400.0


@dataclass(frozen=True)
class Call:
    """A call that a handle makes."""

    deployment: str
    method: str
    #: An `InvokeRequest` or an `InvokeServerStreamRequest`.
    request: Any
    metadata: tuple[tuple[str, str | bytes], ...]
    #: When the caller stops waiting, by `time.monotonic()`; None: never.
    ends: float | None
    #: The model that it is for; empty: none.
    model: str

    def how(self, bound: float | None = None) -> dict[str, Any]:
        """The arguments for a method of a stub. `bound`: the deployment's `request_timeout`, which
        the gateway keeps by itself; None: no bound."""
        left = None if self.ends is None else self.ends - time.monotonic()
        if bound is not None:
            left = bound if left is None else min(left, bound)
        return {"timeout": None if left is None or left > DEADLINE_MAX else max(0.0, left), "metadata": self.metadata}


class Caller:
    """Calls deployments of one controller. Belongs to the loop for calls."""

    def __init__(self, api: str | None, gateway: str) -> None:
        self._watch = None if api is None else EndpointWatch(api)
        self._gateway = gateway
        self._channel: Any = None
        close_with_loop(self.close)

    async def invoke(self, call: Call) -> pb.InvokeResponse:
        """Raises StatusError, with the callee."""
        async with self._place(call) as endpoint:
            if endpoint is not None:
                try:
                    return await endpoint.stub.Invoke(call.request, **call.how(endpoint.request_timeout))
                except grpc.RpcError as error:
                    if not _never_began(endpoint, error):
                        raise _replica_failed(call, error, endpoint) from None
        waits_no_more = self._send_to_gateway(call)
        try:
            return await self._stub().Invoke(call.request, **call.how())
        except grpc.RpcError as error:
            raise self._gateway_failed(call, error) from None
        finally:
            waits_no_more()

    async def stream(self, call: Call) -> AsyncIterator[pb.InvokeServerStreamResponse]:
        """Raises StatusError, with the callee."""
        async with self._place(call) as endpoint:
            if endpoint is not None:
                began = False
                items = endpoint.stub.InvokeServerStream(call.request, **call.how(endpoint.request_timeout))
                try:
                    async for item in items:
                        began = True
                        yield item
                    return
                except grpc.RpcError as error:
                    if began or not _never_began(endpoint, error):
                        raise _replica_failed(call, error, endpoint) from None
                finally:
                    items.cancel()
        waits_no_more = self._send_to_gateway(call)
        items = self._stub().InvokeServerStream(call.request, **call.how())
        try:
            async for item in items:
                waits_no_more()
                yield item
        except grpc.RpcError as error:
            raise self._gateway_failed(call, error) from None
        finally:
            waits_no_more()
            items.cancel()

    async def close(self) -> None:
        if self._watch is not None:
            await self._watch.close()
        if self._channel is not None:
            await self._channel.close()

    def _stub(self) -> Any:
        if self._channel is None:
            self._channel = open_async_channel(self._gateway)
        return pb_grpc.InvokeServiceStub(self._channel)

    @asynccontextmanager
    async def _place(self, call: Call) -> AsyncIterator[Endpoint | None]:
        """A place at a replica that is connected; None: the gateway gets the call."""
        watch = self._watch
        endpoint = None if watch is None else watch.acquire(call.deployment, call.model)
        if watch is None or endpoint is None:
            yield None
            return
        try:
            if await _is_connected(endpoint.channel):
                yield endpoint
            else:
                endpoint.rest(REST_UNREACHABLE)
                yield None
        finally:
            watch.release(endpoint)

    def _send_to_gateway(self, call: Call) -> Callable[[], None]:
        return (lambda: None) if self._watch is None else self._watch.send_to_gateway(call.deployment, call.model)

    def _gateway_failed(self, call: Call, error: Any) -> StatusError:
        if not is_not_connected(error):
            return _failed(call, error, None)
        text = f"the gateway at {self._gateway} cannot be reached: is the controller running, and is it the address in DROVER_GATEWAY?"
        return StatusError("UNAVAILABLE", text, callee=Callee(call.deployment, call.method))


async def _is_connected(channel: Any) -> bool:
    """Connects, if the channel is not connected. A channel that failed to connect a moment ago is
    not waited for: it tries again by itself."""
    state = channel.get_state(try_to_connect=True)
    if state is grpc.ChannelConnectivity.READY:
        return True

    async def connect(state: Any) -> bool:
        while state not in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE):
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)
        return state is grpc.ChannelConnectivity.READY

    try:
        return await asyncio.wait_for(connect(state), CONNECT)
    except asyncio.TimeoutError:
        return False


def _never_began(endpoint: Endpoint, error: Any) -> bool:
    """Whether the replica has not begun with the call, so that it may go elsewhere."""
    if any(key == REFUSED_TRAILER for key, _ in error.trailing_metadata() or ()):
        endpoint.rest(REST_REFUSED)
        return True
    if is_not_connected(error):
        endpoint.rest(REST_UNREACHABLE)
        return True
    return False


def _replica_failed(call: Call, error: Any, endpoint: Endpoint) -> StatusError:
    """As the gateway has it, where the replica was lost while it worked on the call."""
    status = _failed(call, error, endpoint.replica_id)
    if status.code != "UNAVAILABLE" or status.reason is not None or not _LOST.fullmatch(status.message):
        return status
    endpoint.rest(REST_UNREACHABLE)
    text = f"replica {endpoint.replica_id} was lost while it worked on the request"
    lost = refusal("REPLICA_LOST", text, retry_after=RETRY_LOST, metadata={"deployment": call.deployment, "replica": endpoint.replica_id})
    lost.callee = status.callee
    return lost


def _failed(call: Call, error: Any, replica: str | None) -> StatusError:
    status = decode_status(error)
    if status.code == "DEADLINE_EXCEEDED" and call.ends is not None and call.ends <= time.monotonic():
        status = refusal("DEADLINE", "the deadline of the call has passed")
    status.callee = Callee(call.deployment, call.method, replica)
    return status
