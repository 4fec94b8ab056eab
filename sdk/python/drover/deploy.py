"""Deploys a spec and waits until the deployment is healthy."""

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
from .channel import open_channel
from .errors import StatusError
from .json_value import Json
from .program_files import files_of
from .status_wire import decode_status

#: How long the API may take to answer `Deploy`, in seconds.
DEPLOY = 30.0
#: Attempts of one `Deploy`, and the wait between them, in seconds.
TRIES = 3
RETRY = 0.5


def deploy(spec: Mapping[str, Json], file: str, export: str, api: str | None, timeout: float | None) -> None:
    """Deploys `spec`, whose program is the deployment `export` in `file`, and waits until the
    deployment is healthy."""
    message = spec_message(spec, os.path.abspath(file), export)
    until = None if timeout is None else time.monotonic() + timeout
    with open_channel(api or os.environ.get("DROVER_API") or "127.0.0.1:9001") as channel:
        controller = pb_grpc.ControllerServiceStub(channel)
        try:
            deployed = _deploy_once(controller, message).deployment
            request = pb.WatchDeploymentsRequest(names=[message.name])
            left = None if until is None else max(0.0, until - time.monotonic())
            _until_healthy(controller.WatchDeployments(request, timeout=left), message.name, deployed.status.generation)
        except grpc.RpcError as error:
            raise decode_status(error) from None


def _deploy_once(controller: pb_grpc.ControllerServiceStub, spec: deployment_pb2.DeploymentSpec) -> pb.DeployResponse:
    """Calls again if the answer is lost with the connection. With the same request id, all the
    calls have one effect."""
    request = pb.DeployRequest(spec=spec, request_id=uuid.uuid4().hex)
    for left in reversed(range(TRIES)):
        try:
            return controller.Deploy(request, timeout=DEPLOY)
        except grpc.RpcError as error:
            status = decode_status(error)
            if left == 0 or status.code != "UNAVAILABLE" or status.reason is not None:
                raise
            time.sleep(RETRY)
    raise AssertionError("the last try returns or raises")


def _until_healthy(events: Any, name: str, generation: int) -> None:
    for event in events:
        if event.WhichOneof("event") == "deployment_deleted":
            raise StatusError("ABORTED", f'deployment "{name}" was deleted')
        status = event.deployment_updated.status
        if status.observed_generation < generation:
            continue
        if status.state == deployment_pb2.DEPLOYMENT_STATE_HEALTHY:
            return
        if status.state == deployment_pb2.DEPLOYMENT_STATE_DEPLOY_FAILED:
            raise StatusError("FAILED_PRECONDITION", status.message)
    raise StatusError("UNAVAILABLE", "the watch of the deployment ended before it was healthy")


def spec_message(spec: Mapping[str, Json], file: str, export: str) -> deployment_pb2.DeploymentSpec:
    """The spec as `drover run` makes it, so that either finds the other's deployment unchanged."""
    folder = os.path.dirname(file)
    given = spec.get("runtime_env")
    environment: dict[str, Json] = dict(given) if isinstance(given, dict) else {}
    # The controller may run in any folder, so a relative working folder is relative to the file.
    environment["working_dir"] = os.path.normpath(os.path.join(folder, str(environment.get("working_dir") or ".")))
    argv: list[Json] = ["python3", "-m", "drover.replica", file, export]
    whole = {**spec, "runtime_env": environment, "program": {"command": {"argv": argv}}}
    message = deployment_pb2.DeploymentSpec()
    json_format.ParseDict(whole, message)
    message.version = message.version or program_digest(file, [str(part) for part in argv], environment)
    return message


def program_digest(file: str, argv: list[str], environment: Mapping[str, Json]) -> str:
    """16 hex digits that change with the file, its imports from its own folder, its command line
    and its environment. The CLI computes the same digest."""
    fields = deployment_pb2.RuntimeEnv.DESCRIPTOR.fields
    named = {field.json_name: environment[field.name] for field in fields if environment.get(field.name)}
    text = json.dumps(named, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256("\0".join([text, *argv]).encode())
    for path in [file, *(other for other in files_of(file) if other != file)]:
        with open(path, "rb") as source:
            digest.update(f"\0{os.path.relpath(path, str(environment['working_dir']))}\0".encode() + source.read())
    return digest.hexdigest()[:16]
