"""What is done most often with deployments, as functions. `Client` and `AsyncClient` do the rest.

`api` is the controller's API, `host:port`; None: the environment variable `DROVER_API`, else
127.0.0.1:9001. `timeout` is how long to wait, in seconds; None: for ever. Every failed call raises
a `StatusError`.
"""

from __future__ import annotations

from typing import Any, overload

from . import types
from ._gen.clients import Client
from .waiting import until_gone, until_healthy, wait_for


@overload
def status(name: str, *, api: str | None = None) -> types.Deployment: ...


@overload
def status(*, application: str = "", api: str | None = None) -> list[types.Deployment]: ...


def status(name: str = "", *, application: str = "", api: str | None = None) -> types.Deployment | list[types.Deployment]:
    """Returns the deployment with this name, or without a name all of them, or all of an
    application. NOT_FOUND: there is none of that name."""
    with Client(api) as client:
        return client.get_deployment(name) if name else list(client.list_deployments(application=application))


def scale(name: str, num_replicas: int, *, wait: bool = True, timeout: float | None = None, api: str | None = None) -> types.Deployment:
    """Sets the number of replicas, 0 to 10,000, and waits until as many serve. Returns the
    deployment as it is then."""
    with Client(api) as client:
        return _settled(client, client.scale(name, num_replicas), wait, timeout)


def reconfigure(name: str, user_config: Any, *, timeout: float | None = None, api: str | None = None) -> types.ReconfigureResponse:
    """Gives all running replicas another `user_config`, without a restart: all of them take it, or
    none does. Returns when that is over. FAILED_PRECONDITION: a replica refused it."""
    with Client(api) as client:
        return client.reconfigure(name, user_config, timeout=timeout)


def rollback(name: str, revision: int = 0, *, wait: bool = True, timeout: float | None = None, api: str | None = None) -> types.Deployment:
    """Goes back to a revision, or without one to the last that was healthy, and waits until it
    serves. Returns the deployment as it is then."""
    with Client(api) as client:
        return _settled(client, client.rollback(name, revision), wait, timeout)


def delete(
    *names: str,
    application: str = "",
    allow_missing: bool = False,
    wait: bool = True,
    timeout: float | None = None,
    api: str | None = None,
) -> None:
    """Deletes deployments, and all of an application, and waits until they are gone: their requests
    in work are finished first. NOT_FOUND: there is none of that name, unless `allow_missing`."""
    with Client(api) as client:
        answers = [client.delete_deployment(name, allow_missing=allow_missing) for name in names]
        deleted = [one for one in answers if one is not None]
        if application:
            client.apply(application=application, prune=True)
            deleted.extend(client.list_deployments(application=application))
        if wait:
            wait_for(client, {one.spec.name: until_gone(one) for one in deleted}, timeout)


def _settled(client: Client, changed: types.Deployment, wait: bool, timeout: float | None) -> types.Deployment:
    if not wait:
        return changed
    name = changed.spec.name
    wait_for(client, {name: until_healthy(name, changed)}, timeout)
    return client.get_deployment(name)
