"""Deploys what a file has and waits until it is healthy."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping

from google.protobuf import json_format

from ._gen.clients import Client
from ._gen.drover.v1 import deployment_pb2
from .application import Found
from .json_value import Json
from .messages import read_message
from .program_files import files_of
from .waiting import until_healthy, wait_for


def deploy(found: Found, application: str | None, file: str, api: str | None, timeout: float | None) -> None:
    """Deploys all that was found in `file` at once, and waits until it is healthy. If it is an
    application, what is no longer in it is deleted."""
    specs = [read_message(spec_message(part.spec, os.path.abspath(file), part.export)) for part in found.parts]
    with Client(api) as client:
        results = client.apply(specs, application=application or found.application or "", prune=found.application is not None).results
        deployed = {spec.name: result.deployment for spec, result in zip(specs, results, strict=True)}
        wait_for(client, {name: until_healthy(name, one) for name, one in deployed.items()}, timeout)


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
