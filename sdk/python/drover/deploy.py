"""Deploys what a file has and waits until it is healthy."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

from google.protobuf import json_format

from . import types
from ._gen.clients import Client
from ._gen.drover.v1 import deployment_pb2
from .application import Found, Part
from .bundle_error import BundleError
from .bundle_folder import bundle_folder, lockfile_above, lockfile_for, path_inside, working_dir_inside
from .json_value import Json
from .messages import read_message
from .program_files import files_of
from .waiting import until_healthy, wait_for


class DeployOptions(NamedTuple):
    """What `run` was asked for; it explains them."""

    application: str | None
    bundle: bool | str | os.PathLike[str]
    lockfile: bool
    redeploy: bool
    api: str | None
    timeout: float | None


def deploy(found: Found, file: str, options: DeployOptions) -> None:
    """Deploys all that was found in `file` at once, and waits until it is healthy. If it is an
    application, what is no longer in it is deleted."""
    application = options.application or found.application or ""
    with Client(options.api) as client:
        specs = _specs(client, found.parts, os.path.abspath(file), options)
        prune = found.application is not None
        results = client.apply(specs, application=application, prune=prune, redeploy=options.redeploy).results
        deployed = {spec.name: result.deployment for spec, result in zip(specs, results, strict=True)}
        wait_for(client, {name: until_healthy(name, one) for name, one in deployed.items()}, options.timeout)


def _specs(client: Client, parts: list[Part], file: str, options: DeployOptions) -> list[types.DeploymentSpec]:
    if options.bundle is False:
        return [read_message(spec_message(part.spec, file, part.export)) for part in parts]
    folder = bundle_folder(file, None if options.bundle is True else options.bundle)
    messages = [bundled_spec(part.spec, file, part.export, folder) for part in parts]
    unsent = [message for message in messages if not message.runtime_env.bundle]
    if unsent:
        from .bundle_upload import send_bundle

        sent = send_bundle(client, folder)
        unfound = False
        for message in unsent:
            program = message.program.module.path
            if program not in sent.paths:
                left_out = ".gitignore, .droverignore or its place in a folder that is never sent leaves it out"
                raise BundleError(f"the program {program} would not be sent with {folder}: {left_out}")
            message.runtime_env.bundle = sent.digest
            if options.lockfile and not message.runtime_env.lockfile:
                message.runtime_env.lockfile = lockfile_for(program, sent.paths)
                unfound = unfound or not message.runtime_env.lockfile
        if unfound and (above := lockfile_above(folder)):
            remedy = f"name the folder {os.path.dirname(above)} with bundle= to send it, too"
            why = f"{folder}, which is sent, has no lockfile, but its repository has {above}"
            print(f"no packages are installed: {why}: {remedy}", file=sys.stderr)
    return [read_message(message) for message in messages]


def bundled_spec(spec: Mapping[str, Json], file: str, export: str, folder: str) -> deployment_pb2.DeploymentSpec:
    """The spec with its paths inside the folder that is sent."""
    message = _message(spec, path_inside(folder, file) or "", export)
    working_dir = message.runtime_env.working_dir
    if working_dir:
        message.runtime_env.working_dir = working_dir_inside(folder, os.path.normpath(os.path.join(os.path.dirname(file), working_dir)))
    return message


def spec_message(spec: Mapping[str, Json], file: str, export: str) -> deployment_pb2.DeploymentSpec:
    """The spec with the paths of this machine, as `drover run --no-bundle` makes it, so that either
    finds the other's deployment unchanged."""
    folder = os.path.dirname(file)
    given = spec.get("runtime_env")
    environment: dict[str, Json] = dict(given) if isinstance(given, dict) else {}
    # The controller may run in any folder, so a relative working folder is relative to the file.
    environment["working_dir"] = os.path.normpath(os.path.join(folder, str(environment.get("working_dir") or ".")))
    message = _message({**spec, "runtime_env": environment}, file, export)
    message.version = message.version or program_digest(file, environment)
    return message


def _message(spec: Mapping[str, Json], path: str, export: str) -> deployment_pb2.DeploymentSpec:
    message = deployment_pb2.DeploymentSpec()
    json_format.ParseDict({**spec, "program": {"module": {"path": path, "export_name": export}}}, message)
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
