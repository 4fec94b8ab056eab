"""The server of a replica: everything besides its program."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import NamedTuple

import grpc
from grpc import aio

from .checked_context import METADATA_BYTES_MAX
from .config import Config
from .control import Control
from .gate import Gate
from .health import ReplicaHealth
from .invoke import NAME as INVOKE_SERVICE
from .invoke import Invoker, invoke_service
from .load import Load
from .message_bounds import CONTROL_BYTES_MAX, EXCESS_BYTES_MAX
from .own_services import OwnServices
from .program import Program
from .program_errors import write_error
from .program_report import close_models
from .reflection import NAMES as REFLECTION_NAMES
from .reflection import reflection
from .replica_service import NAME as REPLICA_SERVICE
from .replica_service import ReplicaParts, replica_service
from .request_context import Identity
from .threads import Threads

#: How long the program's `close` may take, in seconds. With the grace before it, less than the 5 s
#: until a replica is killed.
PROGRAM_CLOSE = 3.0
#: How long the last answers may take to reach slow callers before their connections are closed, in
#: seconds.
FLUSH = 0.5
#: The longest path a unix socket can have, in bytes (Linux: 108 with the final zero).
SOCKET_PATH_BYTES_MAX = 107


class ReplicaOptions(NamedTuple):
    identity: Identity
    #: Bound on requests at a time; more are refused.
    max_ongoing_requests: int
    #: The largest message of a request or its answer, in bytes.
    max_message_bytes: int
    #: The token that control calls must carry; empty: none.
    token: str


class ReplicaServer:
    """Serves a program: `ReplicaService`, `InvokeService`, the program's own services, health and
    reflection."""

    def __init__(self, program: Program, options: ReplicaOptions, threads: Threads) -> None:
        self._program = program
        self._load = Load(options.max_ongoing_requests)
        self._gate = Gate(self._load, options.identity, program.forward_metadata)
        own = OwnServices(program.services)
        names = [INVOKE_SERVICE, *own.names]
        from grpc_health.v1 import health_pb2

        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        taken = sorted({REPLICA_SERVICE, INVOKE_SERVICE, health_name, *REFLECTION_NAMES} & set(own.names))
        if taken:
            raise ValueError(f"{taken[0]} is implemented twice")
        self._health = ReplicaHealth(program.hooks.check_health, [REPLICA_SERVICE, *names])
        parts = ReplicaParts(
            identity=options.identity,
            services=names,
            load=self._load,
            config=Config(program, self._load),
            control=Control(options.token),
            gate=self._gate,
        )
        bytes_max = options.max_message_bytes
        self._server = aio.server(
            options=[
                ("grpc.max_receive_message_length", max(bytes_max, CONTROL_BYTES_MAX) + EXCESS_BYTES_MAX),
                ("grpc.max_send_message_length", max(bytes_max, CONTROL_BYTES_MAX)),
                # Of what a caller sends: as much as a replica in TypeScript reads.
                ("grpc.max_metadata_size", 2 * METADATA_BYTES_MAX),
                ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES_MAX),
                ("grpc.so_reuseport", 0),  # else a second process could silently take half of the requests
            ],
        )
        invoker = Invoker(program, options.identity, threads, bytes_max)
        handlers: list[grpc.GenericRpcHandler] = [replica_service(parts), invoke_service(invoker, self._gate, bytes_max)]
        handlers.append(self._health.handler(self._gate))
        handlers += own.behind(self._gate, threads)
        handlers += reflection([REPLICA_SERVICE, health_name, *names])
        self._server.add_generic_rpc_handlers(handlers)
        self._socket: str | None = None

    async def listen(self, address: str) -> None:
        """Serves at `host:port` or `unix:/path`. Raises OSError, with a text that a person can act
        on."""
        path = address.removeprefix("unix:").removeprefix("//") if address.startswith("unix:") else None
        if path is not None:
            _clear(address, path)
        try:
            bound = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen at {address}: {_why(path) or error}") from None
        if bound == 0:
            raise OSError(f"cannot listen at {address}")
        self._socket = path
        await self._server.start()

    async def close(self, grace: float) -> None:
        """Refuses new requests, waits up to `grace` seconds for ongoing ones (not after a `Drain`),
        then closes the program."""
        was_draining = self._load.draining
        self._load.drain()
        if not was_draining:
            await self._load.idle(grace)
        await self._health.close()
        await self._gate.close()
        try:
            await asyncio.wait_for(self._server.stop(FLUSH), 2 * FLUSH)
        except asyncio.TimeoutError:
            pass  # handlers that still run end with the process
        if self._socket is not None and os.path.exists(self._socket):
            os.unlink(self._socket)
        await self._close_program()

    async def _close_program(self) -> None:
        task = asyncio.ensure_future(self._close_hook_and_models())
        done, _ = await asyncio.wait([task], timeout=PROGRAM_CLOSE)
        error = task.exception() if done and not task.cancelled() else None
        if error is not None:
            write_error("close of the program failed", error)

    async def _close_hook_and_models(self) -> None:
        close = self._program.hooks.close
        try:
            if close is not None:
                await close()
        finally:
            await close_models()


def _clear(address: str, path: str) -> None:
    """Removes a socket file that no process listens at any more. Raises OSError if the path cannot
    be used."""
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise OSError(f"cannot listen at {address}: a socket's path has at most {SOCKET_PATH_BYTES_MAX} bytes")
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(f"cannot listen at {address}: there is a file that is not a socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            os.unlink(path)
        else:
            raise OSError(f"cannot listen at {address}: another process listens there")


def _why(path: str | None) -> str:
    """Why gRPC could not listen, which its error does not say; empty: unknown."""
    folder = os.path.dirname(path) if path else ""
    return f"there is no folder {folder}" if folder and not os.path.isdir(folder) else ""
