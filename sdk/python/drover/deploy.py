"""Deploys what a file has and waits until it is healthy."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import json_format

from ._gen.drover.v1 import controller_service_pb2 as pb
from ._gen.drover.v1 import controller_service_pb2_grpc as pb_grpc
from ._gen.drover.v1 import deployment_pb2
from .application import Found
from .channel import open_channel
from .errors import StatusError
from .json_value import Json
from .program_files import files_of
from .status_wire import decode_status

#: How long the API may take to answer `Apply`, in seconds.
APPLY = 30.0
#: Attempts of one `Apply`, and the wait between them, in seconds.
TRIES = 3
RETRY = 0.5


def deploy(found: Found, file: str, api: str | None, timeout: float | None) -> None:
    """Deploys all that was found in `file` at once, and waits until it is healthy. What is no
    longer in its application is deleted."""
    specs = [spec_message(part.spec, os.path.abspath(file), part.export) for part in found.parts]
    application = found.application
    request = pb.ApplyRequest(specs=specs, application=application, prune=application is not None, request_id=uuid.uuid4().hex)
    until = None if timeout is None else time.monotonic() + timeout
    with open_channel(api or os.environ.get("DROVER_API") or "127.0.0.1:9001") as channel:
        controller = pb_grpc.ControllerServiceStub(channel)
        try:
            results = _apply_once(controller, request).results
            generations = {spec.name: result.deployment.status.generation for spec, result in zip(specs, results, strict=True)}
            left = None if until is None else max(0.0, until - time.monotonic())
            watched = pb.WatchDeploymentsRequest(names=list(generations))
            _until_healthy(controller.WatchDeployments(watched, timeout=left), generations)
        except grpc.RpcError as error:
            raise decode_status(error) from None


def _apply_once(controller: pb_grpc.ControllerServiceStub, request: pb.ApplyRequest) -> pb.ApplyResponse:
    """Calls again if the answer is lost with the connection. With the same request id, all the
    calls have one effect."""
    for left in reversed(range(TRIES)):
        try:
            return controller.Apply(request, timeout=APPLY)
        except grpc.RpcError as error:
            status = decode_status(error)
            if left == 0 or status.code != "UNAVAILABLE" or status.reason is not None:
                raise
            time.sleep(RETRY)
    raise AssertionError("the last try returns or raises")


def _until_healthy(events: Any, generations: Mapping[str, int]) -> None:
    """Waits until each deployment is healthy at its generation."""
    waiting = dict(generations)
    for event in events:
        if event.WhichOneof("event") == "deployment_deleted":
            if event.deployment_deleted in waiting:
                raise StatusError("ABORTED", f'deployment "{event.deployment_deleted}" was deleted')
            continue
        name, status = event.deployment_updated.spec.name, event.deployment_updated.status
        if name not in waiting or status.observed_generation < waiting[name]:
            continue
        if status.state == deployment_pb2.DEPLOYMENT_STATE_HEALTHY:
            del waiting[name]
            if not waiting:
                return
        if status.state == deployment_pb2.DEPLOYMENT_STATE_DEPLOY_FAILED:
            raise StatusError("FAILED_PRECONDITION", status.message)
    raise StatusError("UNAVAILABLE", "the watch of the deployments ended before they were healthy")


def spec_message(spec: Mapping[str, Json], file: str, export: str) -> deployment_pb2.DeploymentSpec:
    """The spec as `drover run` makes it, so that either finds the other's deployment unchanged."""
    folder = os.path.dirname(file)
    given = spec.get("runtime_env")
    environment: dict[str, Json] = dict(given) if isinstance(given, dict) else {}
    # The controller may run in any folder, so a relative working folder is relative to the file.
    environment["working_dir"] = os.path.normpath(os.path.join(folder, str(environment.get("working_dir") or ".")))
    whole = {**spec, "runtime_env": environment, "program": {"module": {"path": file, "export_name": export}}}
    message = deployment_pb2.DeploymentSpec()
    json_format.ParseDict(whole, message)
    message.version = message.version or program_digest(file, environment)
    return message


def program_digest(file: str, environment: Mapping[str, Json]) -> str:
    """16 hex digits that change with the file, its imports from its own folder, and its
    environment. The CLI computes the same digest."""
    fields = deployment_pb2.RuntimeEnv.DESCRIPTOR.fields
    named = {field.json_name: environment[field.name] for field in fields if environment.get(field.name)}
    text = json.dumps(named, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(f"{text}\0".encode())
    for path in [file, *(other for other in files_of(file) if other != file)]:
        with open(path, "rb") as source:
            digest.update(f"\0{os.path.relpath(path, os.path.dirname(file))}\0".encode() + source.read())
    return digest.hexdigest()[:16]
