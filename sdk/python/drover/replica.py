"""Runs a program as a replica: `python3 -m drover.replica FILE [NAME]`, with the environment
variables of the contract."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from typing import Any, NamedTuple, NoReturn

# gRPC's core also prints the errors that it returns, unless this is set when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from .bundle_paths import missing_file, missing_package_remedy, with_paths_in_bundle
from .call_loop import serve_calls
from .init_args import with_handles
from .load_module import MissingModuleError, StartError, load_deployment
from .message_bounds import MESSAGE_BYTES_DEFAULT
from .program import create_program
from .replica_server import ReplicaOptions, ReplicaServer
from .request_context import Identity
from .source_loader import import_from_source
from .threads import Threads
from .tracebacks import traceback_text
from .unwritable_output import drop_unwritable

#: How long ongoing requests may go on after a SIGTERM without a `Drain` before it, in seconds.
TERMINATE_GRACE = 1.0


class Environment(NamedTuple):
    """What a replica reads from its environment variables."""

    address: str
    options: ReplicaOptions
    #: JSON, in which other deployments are handles.
    init_args: dict[str, Any]


async def serve(argv: list[str]) -> None:
    """Serves until SIGTERM. Raises `StartError` if it cannot start."""
    if not argv or len(argv) > 2:
        raise StartError("usage: python3 -m drover.replica FILE [NAME]")
    environment = read_environment(os.environ)
    serve_calls()
    path, name = argv[0], argv[1] if len(argv) > 1 else ""
    _leave_bundle_as_it_is()
    if not os.path.isfile(path):
        raise StartError(f"no such file: {missing_file(path)}")
    deployment = load_deployment(path, name)
    threads = Threads()
    try:
        program = await create_program(deployment, environment.init_args, threads)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        remedy = missing_package_remedy() if isinstance(error, ModuleNotFoundError) else ""
        raise StartError(f"{path}: the program could not be constructed: {traceback_text(error)}{remedy}") from None
    try:
        server = ReplicaServer(program, environment.options, threads)
    except Exception as error:
        raise StartError(f"the program's services cannot be served: {traceback_text(error)}") from None
    terminated = asyncio.Event()
    try:
        await server.listen(environment.address)
    except OSError as error:
        raise StartError(str(error)) from None  # the message names the address
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    await terminated.wait()
    await server.close(TERMINATE_GRACE)


def _leave_bundle_as_it_is() -> None:
    """Keeps Python, also of processes that the program starts, from writing compiled files among
    those of the bundle, which root could: other replicas share them."""
    folder = os.environ.get("DROVER_BUNDLE_FOLDER")
    if folder:
        import_from_source(folder)
        os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")


def read_environment(env: os._Environ[str]) -> Environment:
    address = env.get("DROVER_LISTEN")
    if not address:
        raise StartError("DROVER_LISTEN is not set: a replica is started by the controller")
    revision = _integer("DROVER_REVISION", env.get("DROVER_REVISION"), 0)
    identity = Identity(env.get("DROVER_REPLICA_ID", ""), env.get("DROVER_DEPLOYMENT", ""), revision)
    ongoing_max = _integer("DROVER_MAX_ONGOING_REQUESTS", env.get("DROVER_MAX_ONGOING_REQUESTS"), 5)
    bytes_max = _integer("DROVER_MAX_MESSAGE_BYTES", env.get("DROVER_MAX_MESSAGE_BYTES"), MESSAGE_BYTES_DEFAULT)
    options = ReplicaOptions(identity, ongoing_max, bytes_max, env.get("DROVER_TOKEN", ""))
    return Environment(address, options, _init_args(env.get("DROVER_INIT_ARGS")))


def _integer(name: str, text: str | None, unset: int) -> int:
    if not text:
        return unset
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
        raise StartError(f'{name} must be a whole number, not "{text}"')
    return int(text)


def _init_args(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        init_args = json.loads(text)
    except ValueError as error:
        raise StartError(f"DROVER_INIT_ARGS is not JSON: {error}") from None
    if not isinstance(init_args, dict):
        raise StartError("DROVER_INIT_ARGS is not a JSON object")
    return {name: with_handles(value) for name, value in init_args.items()}


def main() -> NoReturn:
    # Ctrl-C in a terminal reaches replicas too, but the controller stops them in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    drop_unwritable()
    code = 1

    async def run() -> None:
        nonlocal code
        try:
            await serve(sys.argv[1:])
            code = 0
        except StartError as error:
            remedy = missing_package_remedy() if isinstance(error, MissingModuleError) else ""
            sys.stderr.write(f"{with_paths_in_bundle(str(error))}{remedy}\n")
        finally:
            # Exits at once: a normal exit would wait for threads and for the tasks of the loop.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    asyncio.run(run())
    raise AssertionError("unreachable")


if __name__ == "__main__":
    main()
