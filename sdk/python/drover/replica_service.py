"""`drover.replica.v1.ReplicaService`: a controller observes and controls this replica by it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from ._gen.drover.replica.v1 import replica_service_pb2 as pb
from .config import Change, Config
from .control import Control
from .errors import FieldViolation, invalid
from .gate import Gate
from .json_value import value_to_json
from .load import Load
from .program_report import report
from .request_context import Identity
from .service import metadata_of, server_stream, service, unary

NAME = pb.DESCRIPTOR.services_by_name["ReplicaService"].full_name

# In seconds.
INTERVAL_MIN = 0.05
INTERVAL_MAX = 60.0
INTERVAL_DEFAULT = 1.0
GRACE_MAX = 3600.0

_STEPS = {
    pb.RECONFIGURE_PHASE_UNSPECIFIED: Config.apply,
    pb.RECONFIGURE_PHASE_PREPARE: Config.prepare,
    pb.RECONFIGURE_PHASE_APPLY: Config.apply,
    pb.RECONFIGURE_PHASE_REVERT: Config.revert,
}


@dataclass(frozen=True)
class ReplicaParts:
    """The parts of a replica that `ReplicaService` uses."""

    identity: Identity
    #: The full names of the services that take requests.
    services: Sequence[str]
    load: Load
    config: Config
    control: Control
    gate: Gate


def replica_service(parts: ReplicaParts) -> grpc.GenericRpcHandler:
    gate = parts.gate
    handlers = _Handlers(parts)
    return service(
        NAME,
        {
            "GetInfo": unary(gate, "GetInfo", pb.GetInfoRequest, handlers.get_info),
            "Reconfigure": unary(gate, "Reconfigure", pb.ReconfigureRequest, handlers.reconfigure),
            "WatchLoad": server_stream(gate, "WatchLoad", pb.WatchLoadRequest, handlers.watch_load),
            "Drain": unary(gate, "Drain", pb.DrainRequest, handlers.drain),
        },
    )


class _Handlers:
    def __init__(self, parts: ReplicaParts) -> None:
        self._parts = parts

    async def get_info(self, _request: pb.GetInfoRequest, _context: Any) -> pb.GetInfoResponse:
        identity, generation = self._parts.identity, self._parts.config.generation
        return pb.GetInfoResponse(**identity._asdict(), config_generation=generation, services=list(self._parts.services))

    async def reconfigure(self, request: pb.ReconfigureRequest, context: Any) -> pb.ReconfigureResponse:
        control, config = self._parts.control, self._parts.config
        control.check(metadata_of(context), request.epoch)
        violations = _violations_of(request)
        if violations:
            raise invalid(violations)
        # If the caller leaves, this task is cancelled; the change checks that when its turn comes.
        left = asyncio.Event()

        def allowed() -> None:
            if left.is_set():
                raise asyncio.CancelledError
            control.check_epoch(request.epoch)

        has_config = request.HasField("user_config")
        user_config = value_to_json(request.user_config) if has_config else None
        ongoing_max = request.max_ongoing_requests if request.HasField("max_ongoing_requests") else None
        change = Change(request.config_generation, has_config, user_config, ongoing_max)
        try:
            generation = await _STEPS[request.phase](config, change, allowed)
        except asyncio.CancelledError:
            left.set()
            raise
        return pb.ReconfigureResponse(config_generation=generation)

    async def watch_load(self, request: pb.WatchLoadRequest, context: Any) -> None:
        interval = INTERVAL_DEFAULT
        if request.HasField("interval"):
            interval = min(max(_seconds(request.interval), INTERVAL_MIN), INTERVAL_MAX)
        while True:
            ongoing, completed, failed = self._parts.load.report()
            response = pb.WatchLoadResponse(
                ongoing_requests=ongoing,
                completed_total=completed,
                failed_total=failed,
                config_generation=self._parts.config.generation,
                **report(),
            )
            await context.write(response.SerializeToString())
            await asyncio.sleep(interval)

    async def drain(self, request: pb.DrainRequest, context: Any) -> pb.DrainResponse:
        load = self._parts.load
        self._parts.control.check(metadata_of(context), request.epoch)
        load.drain()
        grace = min(_seconds(request.grace_period), GRACE_MAX) if request.HasField("grace_period") else 0.0
        if grace > 0:
            await load.idle(grace)
        return pb.DrainResponse(ongoing_requests=load.report().ongoing)


def _violations_of(request: pb.ReconfigureRequest) -> list[FieldViolation]:
    violations = []
    if request.phase not in _STEPS:  # a later version of the proto may have other phases
        violations.append(FieldViolation("phase", f"this replica knows no phase {request.phase}"))
    if request.config_generation < 1:
        description = f"must be 1 or more, not {request.config_generation}"
        violations.append(FieldViolation("config_generation", description))
    if request.HasField("max_ongoing_requests") and request.max_ongoing_requests < 1:
        description = f"must be 1 or more, not {request.max_ongoing_requests}"
        violations.append(FieldViolation("max_ongoing_requests", description))
    return violations


def _seconds(duration: Duration) -> float:
    return float(duration.seconds + duration.nanos / 1e9)
