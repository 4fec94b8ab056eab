"""Waits until deployments are as they were asked to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from . import types
from ._gen.clients import Client
from .errors import StatusError

#: Watches that may end in a row before any event, and the wait before the next, in seconds.
WATCHES = 3
AGAIN = 0.5

#: Whether the wait for a deployment is over; None: there is no such deployment. Raises if what is
#: waited for cannot come.
Judge = Callable[[types.Deployment | None], bool]


def until_healthy(name: str, deployed: types.Deployment) -> Judge:
    """Whether the deployment is healthy at its generation or a later one, or its rollout is paused."""
    wanted = deployed.status.generation

    def judge(now: types.Deployment | None) -> bool:
        if now is None or now.uid != deployed.uid or now.status.state == "DELETING":
            raise StatusError("ABORTED", f'deployment "{name}" was deleted')
        state = now.status.state
        if now.status.observed_generation < wanted:
            return False
        if state in ("DEPLOY_FAILED", "UNHEALTHY"):
            raise StatusError("FAILED_PRECONDITION", f"{name}: {state}: {now.status.message}")
        return state == "HEALTHY" or (state == "UPDATING" and now.status.paused)

    return judge


def until_gone(deleted: types.Deployment) -> Judge:
    """Whether the deployment is gone, or another has its name."""
    return lambda now: now is None or now.uid != deleted.uid


def wait_for(client: Client, judges: Mapping[str, Judge], timeout: float | None) -> None:
    """Watches the deployments until each of them is as its judge wants. A watch that ends is begun
    again. Raises DEADLINE_EXCEEDED after `timeout` seconds; None: no bound."""
    until = None if timeout is None else time.monotonic() + timeout
    waiting = dict(judges)
    ended = 0
    while waiting:
        left = None if until is None else max(0.0, until - time.monotonic())
        try:
            for name, now in _states(client, list(waiting), left):
                ended = 0
                if name in waiting and waiting[name](now):
                    del waiting[name]
                if not waiting:
                    return
            raise StatusError("UNAVAILABLE", "the watch of the deployments ended")
        except StatusError as error:
            if until is not None and time.monotonic() >= until:
                text = f"{', '.join(waiting)}: not done after {timeout} s, and goes on: `drover status` says why"
                raise StatusError("DEADLINE_EXCEEDED", text) from None
            ended += 1
            if ended == WATCHES or (error.code != "UNAVAILABLE" and error.reason != "WATCH_EXPIRED"):
                raise
            time.sleep(AGAIN)


def _states(client: Client, names: Sequence[str], timeout: float | None) -> Iterator[tuple[str, types.Deployment | None]]:
    """Each deployment as it is now, and again when it changes."""
    absent = set(names)
    for event in client.watch_deployments(names, timeout=timeout):
        if event.deployment_updated is not None:
            name = event.deployment_updated.spec.name
            absent.discard(name)
            yield name, event.deployment_updated
        elif event.deployment_deleted is not None:
            yield event.deployment_deleted, None
        elif event.synced is not None:
            yield from ((name, None) for name in absent)
