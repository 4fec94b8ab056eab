"""Deploys the deployment of a file, from the file itself."""

from __future__ import annotations

import os
import sys
from typing import Any

from . import load_module
from .definition import Deployment


def run(deployment: Deployment[Any], *, api: str | None = None, timeout: float | None = None) -> str:
    """Deploys a deployment that a file defines, like `drover run FILE`. Returns the deployment's
    name when all its replicas serve. While `drover run` or a replica imports the file, it only
    returns the name.

    Args:
        deployment: the deployment in the file, or a copy of it with other options.
        api: the controller's API, `host:port`; None: the environment variable `DROVER_API`, else
            127.0.0.1:9001.
        timeout: how long to wait until all replicas serve, in seconds; None: for ever. The
            deployment goes on.

    Raises:
        StatusError: the error of the API; FAILED_PRECONDITION with the cause if the replicas do not
            start; DEADLINE_EXCEEDED when `timeout` has passed.
        ValueError: the deployment is in no file, as in a notebook, or has no name there.
    """
    file, export = place_of(deployment)
    spec = deployment.spec_json(export, file)
    if not load_module.importing:
        from .deploy import deploy  # imported only here, so that a replica does not pay for it

        deploy(spec, file, export, api, timeout)
    return str(spec["name"])


def place_of(deployment: Deployment[Any]) -> tuple[str, str]:
    """The file that defines the deployment, and its name there."""
    module = sys.modules.get(deployment.target.__module__)
    file = getattr(module, "__file__", None)
    if module is None or file is None or not os.path.isfile(file):  # `<stdin>` is the name of no file
        raise ValueError(_in_no_file(deployment.target.__name__))
    for name, value in vars(module).items():
        if value is deployment or (isinstance(value, Deployment) and value.target is deployment.target):
            return file, name
    raise ValueError(f"{file} has no deployment of {deployment.target.__name__} under a name, so no replica can find it")


def _in_no_file(name: str) -> str:
    notebook = "get_ipython" in vars(sys.modules["__main__"])
    where = "in a notebook" if notebook else "in no file (on standard input, or in a prompt)"
    write = "begin its cell with %%writefile app.py" if notebook else "write it into app.py"
    return (
        f"{name} is defined {where}, and replicas import it from a file: {write}, "
        f"then deploy it with `from app import {name}` and `drover.run({name})`"
    )
