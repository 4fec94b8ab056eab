"""Finds the deployment in a file."""

from __future__ import annotations

import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

from .definition import Deployment, find_deployment
from .tracebacks import traceback_text

#: True while a file is imported to be deployed or to serve, so that its own `drover.run(...)` does
#: nothing.
importing = False


class StartError(Exception):
    """Why a program does not start, for its author; shown without a traceback."""


class MissingModuleError(StartError):
    """A module that the file imports was not found."""


def load_deployment(path: str, name: str) -> tuple[Deployment[Any], str]:
    """The deployment in the file at `path` (relative to the working folder), and its name there."""
    file = os.path.abspath(path)
    if not os.path.isfile(file):
        raise StartError(f"no such file: {file}")
    module = _import(file)
    try:
        return find_deployment(module, name)
    except (LookupError, TypeError) as error:
        raise StartError(f"{file}: {error.args[0]}") from None


def _import(file: str) -> ModuleType:
    global importing
    importing = True
    sys.path.insert(0, os.path.dirname(file))
    name = os.path.splitext(os.path.basename(file))[0]
    if name in sys.modules or name in sys.stdlib_module_names:
        name = "__drover_program__"  # must not replace another module
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise StartError(f"{file} cannot be imported: its name must end in .py")
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
