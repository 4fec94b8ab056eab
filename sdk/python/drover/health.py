"""`grpc.health.v1.Health` of a replica. Each `Check` calls the program's hook; concurrent calls
share one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb

from .errors import refusal
from .gate import Gate
from .program import Hook
from .program_errors import write_error
from .service import server_stream, service, unary

#: How long watchers may take to read the last status, NOT_SERVING, in seconds.
LAST_WORD = 0.2

NAME = pb.DESCRIPTOR.services_by_name["Health"].full_name


class ReplicaHealth:
    def __init__(self, check_health: Hook | None, services: Sequence[str]) -> None:
        self._check_health = check_health
        #: The empty name is the whole replica.
        self._services = ("", *services)
        self._serving = True
        self._closed = False
        self._asking: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._watchers: set[asyncio.Task[Any]] = set()

    def handler(self, gate: Gate) -> grpc.GenericRpcHandler:
        request = pb.HealthCheckRequest
        methods = {
            "Check": unary(gate, "Check", request, self._check),
            "Watch": server_stream(gate, "Watch", request, self._watch),
        }
        if hasattr(pb, "HealthListRequest"):
            methods["List"] = unary(gate, "List", pb.HealthListRequest, self._list)
        return service(NAME, methods)

    async def close(self) -> None:
        """Reports from now on that nothing serves, and ends all watches after that."""
        self._closed = True
        await self._notify()
        if self._watchers:
            await asyncio.wait(self._watchers, timeout=LAST_WORD)

    def _status_of(self, name: str) -> Any:
        if name not in self._services:
            return pb.HealthCheckResponse.SERVICE_UNKNOWN
        serving = self._serving and not self._closed
        return pb.HealthCheckResponse.SERVING if serving else pb.HealthCheckResponse.NOT_SERVING

    async def _check(self, request: pb.HealthCheckRequest, _context: Any) -> pb.HealthCheckResponse:
        if request.service not in self._services:
            raise refusal("SERVICE_NOT_FOUND", f"this server does not serve {request.service}")
        await self._refresh()
        return pb.HealthCheckResponse(status=self._status_of(request.service))

    async def _list(self, _request: Any, _context: Any) -> Any:
        statuses = {name: pb.HealthCheckResponse(status=self._status_of(name)) for name in self._services}
        return pb.HealthListResponse(statuses=statuses)

    async def _watch(self, request: pb.HealthCheckRequest, context: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)
        sent = None
        while True:
            status = self._status_of(request.service)
            if status != sent:
                sent = status
                await context.write(pb.HealthCheckResponse(status=status).SerializeToString())
                continue  # the status may have changed while the caller was slow to read
            if self._closed:
                return
            async with self._changed:
                await self._changed.wait()

    async def _refresh(self) -> None:
        if self._check_health is None:
            return
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask(self._check_health))
        # A caller that leaves must not cancel the check of the others.
        await asyncio.shield(self._asking)

    async def _ask(self, check_health: Hook) -> None:
        try:
            self._serving = await check_health() is not False
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            write_error("check_health failed", error)
            self._serving = False
        finally:
            self._asking = None
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
