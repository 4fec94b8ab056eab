"""Finds what a file deploys."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeVar

from .application import Found, deployment_at, find_program
from .definition import Deployment
from .json_value import Json
from .source_loader import SourceLoader
from .tracebacks import traceback_text

#: True while a file is imported to be deployed or to serve, so that its own `drover.run(...)` does
#: nothing.
importing = False


Answer = TypeVar("Answer")


class StartError(Exception):
    """Why a program does not start, for its author; shown without a traceback."""


class MissingModuleError(StartError):
    """A module that the file imports was not found."""


def load_deployment(path: str, reference: str) -> Deployment[Any]:
    """The deployment that a replica runs, in the file at `path` (relative to the working folder):
    by its name there, or by its name in an application."""
    return _load(path, lambda module, file: deployment_at(module, reference, file))


def load_program(path: str, name: str, args: Mapping[str, Json] | None) -> Found:
    """What the file at `path` deploys: one deployment, or an application."""
    return _load(path, lambda module, file: find_program(module, name, args, file))


def _load(path: str, find: Callable[[ModuleType, str], Answer]) -> Answer:
    file = os.path.abspath(path)
    if not os.path.isfile(file):
        raise StartError(f"no such file: {file}")
    module = _import(file)
    try:
        return find(module, file)
    except (LookupError, TypeError) as error:
        raise StartError(f"{file}: {error.args[0]}") from None
    except Exception as error:  # of a function that builds an application
        raise StartError(f"{file}: {traceback_text(error)}") from None


def _import(file: str) -> ModuleType:
    global importing
    importing = True
    sys.path.insert(0, os.path.dirname(file))
    name = os.path.splitext(os.path.basename(file))[0]
    if name in sys.modules or name in sys.stdlib_module_names:
        name = "__drover_program__"  # must not replace another module
    if not file.endswith(".py"):
        raise StartError(f"{file} cannot be imported: its name must end in .py")
    spec = importlib.util.spec_from_file_location(name, file, loader=SourceLoader(name, file))
    assert spec is not None and spec.loader is not None  # as it has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # also the SystemExit of `exit()`
        if isinstance(error, KeyboardInterrupt):
            raise
        # A package may turn the error into its own.
        missing = any(isinstance(one, ModuleNotFoundError) for one in (error, error.__cause__, error.__context__))
        raise (MissingModuleError if missing else StartError)(f"{file} cannot be imported: {traceback_text(error)}") from None
    return module
