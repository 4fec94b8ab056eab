"""The `user_config` that a program serves with."""

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

#: How many changes may wait for the current one; only a faulty controller sends more.
WAITING_MAX = 16

Allowed = Callable[[], None]


class Change(NamedTuple):
    """A config change as a replica gets it."""

    generation: int
    #: Whether the deployment has a config, which may be None.
    has_config: bool
    user_config: Json
    #: Bound on requests at a time; None: unchanged.
    ongoing_max: int | None


class Config:
    """The `user_config` that a program serves with, and the bound on its requests that comes with
    it.

    Changes, and checks of changes, run one at a time in the order of their calls: hooks of a
    program never run concurrently, and a check must not pass while `reconfigure` hangs. Each
    returns the generation in use when it ends. `allowed` is called when the turn of the change has
    come, and again before the program takes the config; if it raises, the change fails. A change
    that has begun goes on to its end if its caller leaves.
    """

    def __init__(self, program: Program, load: Load) -> None:
        self._program = program
        self._load = load
        self._generation = 0
        #: The config that the program took last, as text that is equal for equal configs; None:
        #: none yet.
        self._taken: str | None = None
        #: Whether the last `reconfigure` failed: the program may then serve with a mix of the old
        #: and the new config.
        self._torn = False
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._at_work: set[asyncio.Task[int]] = set()

    @property
    def generation(self) -> int:
        """The generation of the last config applied; 0: none yet."""
        return self._generation

    async def prepare(self, change: Change, allowed: Allowed) -> int:
        """Checks the config with the program, which changes nothing. Fails if the program would
        refuse it."""

        async def step() -> None:
            if change.has_config and not self._serves_by(change):
                await self._validated(change)

        return await self._in_turn(allowed, step)

    async def apply(self, change: Change, allowed: Allowed) -> int:
        """Makes the change if it is newer than the one in use. Without a config, the program keeps
        the one it has."""

        async def step() -> None:
            if change.generation > self._generation:
                await self._become(change, allowed)

        return await self._in_turn(allowed, step)

    async def revert(self, change: Change, allowed: Allowed) -> int:
        """Makes the change, newer or older, unless it is certainly in use."""

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

        # A separate task: a caller that leaves cancels its call, but must not interrupt a hook.
        task = asyncio.get_running_loop().create_task(turn())
        self._at_work.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait([task])
        return task.result()

    def _ended(self, task: asyncio.Task[int]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the caller may have left

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
        """Whether the program has this config already: if only the bound changes, no hook is
        called."""
        return not self._torn and self._taken == _text_of(change.user_config)

    async def _take(self, change: Change, allowed: Allowed) -> None:
        taken = _text_of(change.user_config)  # before the program can modify its argument
        value = await self._validated(change)
        allowed()
        self._torn = True
        await _answered(self._program.hooks.reconfigure, value)
        self._torn = False
        self._taken = taken

    async def _validated(self, change: Change) -> object:
        """The value for the program, from its schema if it has one. Fails if the schema or the
        program refuses the config."""
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
    """Calls the program. An error that it raises becomes a refusal. It also goes to the log, unless
    it is a `ValueError` or a status, which are meant for the author of the config."""
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
    """The text of an error. Its type is added unless it is a `ValueError`: `'threshold'` of a
    `KeyError` says too little."""
    text = str(error)
    if not text:
        return type(error).__name__
    return text if type(error) is ValueError else f"{type(error).__name__}: {text}"


def _no_way_back() -> StatusError:
    why = "there is no user_config to go back to, and the program cannot be made to forget the one it was given"
    return refusal("RECONFIGURE_REFUSED", f"{why}: replace the replica")
