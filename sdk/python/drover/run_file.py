"""Deploys a deployment or an application of a file, from the file itself."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from . import load_module
from .application import Found, Part, parts_of
from .definition import Application, Deployment


def run(
    deployment: Deployment[Any] | Application,
    *,
    application: str | None = None,
    bundle: bool | str | os.PathLike[str] = True,
    lockfile: bool = True,
    redeploy: bool = False,
    api: str | None = None,
    timeout: float | None = None,
) -> str:
    """Deploys a deployment that a file defines, or an application, like `drover run FILE`. Returns
    the name of the deployment, or of the application's first, when all replicas serve. While
    `drover run` or a replica imports the file, it only returns the name.

    Args:
        deployment: the deployment in the file, or a copy of it with other options; or what
            `bind` returns.
        application: the name of the application; None: what `bind` returns has the name of its
            first deployment, and a deployment alone that of its options. What `bind` returns is all
            of its application: the rest of that is deleted.
        bundle: the folder that is sent with the program, relative to the file; True: the nearest,
            at or above the file's own, with a `package.json`, `pyproject.toml` or `requirements.txt`, else its own; False:
            none, and the replicas run the file at this path of their machine. What `.gitignore`
            and `.droverignore` name, `.git`, `node_modules` and virtual environments are not sent.
        lockfile: with a folder that is sent, whether its `uv.lock`, `pylock.toml` or
            `requirements.txt`, the nearest to the file, is installed, unless `runtime_env` names
            another.
        redeploy: whether the replicas are replaced also where nothing changes.
        api: the controller's API, `host:port`; None: the environment variable `DROVER_API`, else
            127.0.0.1:9001.
        timeout: how long to wait until all replicas serve, in seconds; None: for ever. The
            deployment goes on.

    Raises:
        StatusError: the error of the API; FAILED_PRECONDITION with the cause if the replicas do not
            start; DEADLINE_EXCEEDED when `timeout` has passed.
        ValueError: the deployment is in no file, as in a notebook, or has no name there; or files
            cannot be sent, such as a link that leads out of the folder.
    """
    found, file = _found(deployment)
    if not load_module.importing:
        from .deploy import DeployOptions, deploy  # imported only here, so that a replica does not pay for it

        deploy(found, file, DeployOptions(application, bundle, lockfile, redeploy, api, timeout))
    return str(found.parts[0].spec["name"])


def _found(given: Deployment[Any] | Application) -> tuple[Found, str]:
    """What is to be deployed, and the file that has it."""
    if isinstance(given, Deployment):
        file, export = place_of(given)
        return Found(None, [Part(given.spec_json(export, file), export, [])]), file
    module, name = _place_of_application(given)
    file = file_of(module, given.deployment)
    try:
        parts = parts_of(given, name, module, file)
    except LookupError as error:
        raise ValueError(f"{file}: {error.args[0]}") from None
    return Found(str(parts[0].spec["name"]), parts), file


def _place_of_application(application: Application) -> tuple[ModuleType, str | None]:
    """The module of a file that has the application under a name, and that name; else the module of
    its first deployment. A notebook may bind what it imports from a file."""
    own = sys.modules.get(application.deployment.target.__module__)
    modules = [module for module in (own, sys.modules.get("__main__")) if module is not None]
    names = [(module, name) for module in modules for name, value in vars(module).items() if value is application]
    for module, name in names:
        if _file_of(module) is not None:
            return module, name
    if own is None or _file_of(own) is None:
        raise ValueError(_in_no_file(names[0][1] if names else application.deployment.target.__name__))
    return own, None


def place_of(deployment: Deployment[Any]) -> tuple[str, str]:
    """The file that defines the deployment, and its name there."""
    module = sys.modules.get(deployment.target.__module__)
    file = file_of(module, deployment)
    for name, value in vars(module).items():
        if value is deployment or (isinstance(value, Deployment) and value.target is deployment.target):
            return file, name
    raise ValueError(f"{file} has no deployment of {deployment.target.__name__} under a name, so no replica can find it")


def file_of(module: ModuleType | None, deployment: Deployment[Any]) -> str:
    """The file of a module. Raises ValueError where it has none."""
    file = _file_of(module)
    if file is None:
        raise ValueError(_in_no_file(deployment.target.__name__))
    return file


def _file_of(module: ModuleType | None) -> str | None:
    file = getattr(module, "__file__", None)
    return file if file is not None and os.path.isfile(file) else None  # `<stdin>` is the name of no file


def _in_no_file(name: str) -> str:
    notebook = "get_ipython" in vars(sys.modules["__main__"])
    where = "in a notebook" if notebook else "in no file (on standard input, or in a prompt)"
    write = "begin its cell with %%writefile app.py" if notebook else "write it into app.py"
    return (
        f"{name} is defined {where}, and replicas import it from a file: {write}, "
        f"then deploy it with `from app import {name}` and `drover.run({name})`"
    )
