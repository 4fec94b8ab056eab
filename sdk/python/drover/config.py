"""The `user_config` a program serves by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from .errors import StatusError, refusal
from .json_value import Json
from .load import Load
from .program import Program
from .program_errors import status_of, write_error

#: Changes that may wait for the one in work; only a controller that lost count sends more.
WAITING_MAX = 16

Allowed = Callable[[], None]


class Change(NamedTuple):
    """What a replica is to serve by."""

    generation: int
    #: Whether the deployment has a config: None is one too.
    has_config: bool
    user_config: Json
    #: Requests at a time; None: as before.
    ongoing_max: int | None


class Config:
    """The `user_config` a program serves by, and the bound on its requests that goes with it.

    Changes are made one at a time, in the order they came, checks among them: a program's hooks never run beside each
    other, and a check that passes while `reconfigure` hangs would promise what the replica cannot keep. Each gives the
    generation served by when it ends. `allowed` is asked when its turn has come, and again before the program takes
    anything. A change goes on to its end although its caller left.
    """

    def __init__(self, program: Program, load: Load) -> None:
        self._program = program
        self._load = load
        self._generation = 0
        #: What the program took last, as text that is equal for equal configs; None: nothing so far.
        self._taken: str | None = None
        #: Whether a `reconfigure` began and did not end well: what the program serves by may then be neither the one
        #: config nor the other.
        self._torn = False
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._at_work: set[asyncio.Task[int]] = set()

    @property
    def generation(self) -> int:
        """The generation of the last config applied; 0: none yet."""
        return self._generation

    async def prepare(self, change: Change, allowed: Allowed) -> int:
        """Fails if the program would refuse the config; changes nothing."""

        async def step() -> None:
            if change.has_config and not self._serves_by(change):
                await self._validated(change)

        return await self._in_turn(allowed, step)

    async def apply(self, change: Change, allowed: Allowed) -> int:
        """Serves by the change, if it is newer than what is in use. Without a config the program keeps what it has."""

        async def step() -> None:
            if change.generation > self._generation:
                await self._become(change, allowed)

        return await self._in_turn(allowed, step)

    async def revert(self, change: Change, allowed: Allowed) -> int:
        """Serves by the change, newer or older, unless it is in use for certain."""

        async def step() -> None:
            if change.generation == self._generation and not self._torn:
                return
            if not change.has_config and self._taken is not None:
                raise _no_way_back()
            await self._become(change, allowed)

        return await self._in_turn(allowed, step)

    async def _in_turn(self, allowed: Allowed, step: Callable[[], Awaitable[None]]) -> int:
        if self._waiting >= WAITING_MAX:
            raise StatusError("RESOURCE_EXHAUSTED", f"{WAITING_MAX} changes of user_config wait already")
        self._waiting += 1

        async def turn() -> int:
            async with self._turn:
                self._waiting -= 1
                allowed()
                await step()
                return self._generation

        # A task of its own: a caller that leaves cancels its call, but a hook that was begun must not be torn.
        task = asyncio.get_running_loop().create_task(turn())
        self._at_work.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait([task])
        return task.result()

    def _ended(self, task: asyncio.Task[int]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: its caller may have left

    async def _become(self, change: Change, allowed: Allowed) -> None:
        if not change.has_config:
            if self._torn:
                raise _no_way_back()
        elif not self._serves_by(change):
            await self._take(change, allowed)
        self._generation = change.generation
        if change.ongoing_max is not None:
            self._load.limit(change.ongoing_max)

    def _serves_by(self, change: Change) -> bool:
        """Where only the bound changes, the program is left alone."""
        return not self._torn and self._taken == _text_of(change.user_config)

    async def _take(self, change: Change, allowed: Allowed) -> None:
        taken = _text_of(change.user_config)  # before the program may change what it is given
        value = await self._validated(change)
        allowed()
        self._torn = True
        await _answered(self._program.hooks.reconfigure, value)
        self._torn = False
        self._taken = taken

    async def _validated(self, change: Change) -> object:
        """The value that the program gets, if it and its schema have nothing against it."""
        hooks = self._program.hooks
        if hooks.reconfigure is None:
            remedy = "add a method reconfigure(self, user_config) to its class, or remove user_config from its spec"
            raise refusal("RECONFIGURE_REFUSED", f"the program takes no user_config: {remedy}")
        value: object = change.user_config
        if self._program.schema is not None:
            value = await _answered(self._program.schema, value)
        await _answered(hooks.validate_config, value)
        return value


def _text_of(user_config: Json) -> str:
    return json.dumps(user_config, sort_keys=True)


async def _answered(hook: Callable[[object], Awaitable[object]] | None, value: object) -> object:
    """What the program answers; what it raises is a refusal, and goes to the log unless it was meant for who gave the config."""
    if hook is None:
        return None
    try:
        return await hook(value)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        status = status_of(error)
        if status is not None and status.code == "INVALID_ARGUMENT":
            raise status from error
        if status is None and type(error) is not ValueError:
            write_error("user_config was refused", error)
        raise refusal("RECONFIGURE_REFUSED", (status.message if status is not None else "") or _why(error)) from error


def _why(error: BaseException) -> str:
    """A `ValueError` is for who gave the config; the text of another, such as `'threshold'` of a `KeyError`, says too little."""
    text = str(error)
    if not text:
        return type(error).__name__
    return text if type(error) is ValueError else f"{type(error).__name__}: {text}"


def _no_way_back() -> StatusError:
    why = "there is no user_config to go back to, and the program cannot be made to forget the one it was given"
    return refusal("RECONFIGURE_REFUSED", f"{why}: replace the replica")
