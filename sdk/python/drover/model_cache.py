"""Models by name, of which only some are in memory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

from .request_context import RequestContext


class _Held:
    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ready.add_done_callback(lambda ready: ready.cancelled() or ready.exception())  # marks it as retrieved
        #: Whether it has a place in memory. False: it waits for one.
        self.placed = False
        #: The requests that use it, or wait for it.
        self.users = 0

    @property
    def is_loaded(self) -> bool:
        return self.ready.done() and not self.ready.cancelled() and self.ready.exception() is None


class ModelCache:
    """Keeps at most `max_models` in memory. To make room, the one used longest ago is unloaded, but
    none that a request uses. A request uses the last model that it has got, until it ends.

    Invariant: models that are loaded, loading or unloading are at most `max_models`. `unload` must
    not raise, and must end. All methods belong to one event loop.
    """

    def __init__(self, max_models: int, load: Callable[[str], Awaitable[Any]], unload: Callable[[Any], Awaitable[None]]) -> None:
        self._max = max_models
        self._load = load
        self._unload = unload
        #: The one used longest ago is the first.
        self._held: dict[str, _Held] = {}
        #: Places in memory that are taken, and those of them that become free.
        self._taken = 0
        self._unloading = 0
        #: Those that wait for a place, in the order in which they were asked for.
        self._turns: list[_Held] = []
        #: What each request uses.
        self._used: WeakKeyDictionary[RequestContext, _Held] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    def names(self) -> list[str]:
        return [held.name for held in self._held.values() if held.placed]

    async def get(self, name: str, request: RequestContext | None) -> Any:
        """The model, which is loaded if it is not held. Raises what `load` raises; then the next
        request tries again. `request`: what uses it; None: no request."""
        held = self._held.pop(name, None)
        if held is None:
            held = _Held(name)
            self._turns.append(held)
        self._held[name] = held
        if request is not None:
            self._use_until_end(held, request)
        held.users += 1
        self._serve_turns()
        try:
            if not held.ready.done():
                await asyncio.wait([held.ready])
            return held.ready.result()
        finally:
            self._leave(held)

    async def close(self) -> None:
        """Unloads all that is loaded."""
        loaded = [held for held in self._held.values() if held.is_loaded]
        self._held.clear()
        await asyncio.gather(*(self._unload(held.ready.result()) for held in loaded))

    def _use_until_end(self, held: _Held, request: RequestContext) -> None:
        before = self._used.get(request)
        self._used[request] = held
        held.users += 1
        if before is None:
            request.on_end(lambda: self._leave(self._used[request]))
        else:
            self._leave(before)

    def _leave(self, held: _Held) -> None:
        held.users -= 1
        if held.users == 0 and held in self._turns:  # nobody waits for it any more, and it was not begun
            self._turns.remove(held)
            del self._held[held.name]
        self._serve_turns()

    def _serve_turns(self) -> None:
        """Loads what waits as far as there is room, and makes room for the rest."""
        while self._turns and self._taken < self._max:
            held = self._turns.pop(0)
            held.placed = True
            self._taken += 1
            self._begin(self._fill(held))
        for held in list(self._held.values()):
            if len(self._turns) <= self._unloading:
                return
            # Not one that is still loading: that may take for ever, and another may be free.
            if held.is_loaded and held.users == 0:
                del self._held[held.name]
                self._unloading += 1
                self._begin(self._make_room(held))

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fill(self, held: _Held) -> None:
        try:
            held.ready.set_result(await self._load(held.name))
        except BaseException as error:
            if self._held.get(held.name) is held:
                del self._held[held.name]
            self._taken -= 1
            held.ready.set_exception(
                error if isinstance(error, Exception) and not isinstance(error, StopIteration) else RuntimeError(repr(error))
            )
        self._serve_turns()

    async def _make_room(self, held: _Held) -> None:
        await self._unload(held.ready.result())
        self._taken -= 1
        self._unloading -= 1
        self._serve_turns()
