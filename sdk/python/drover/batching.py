"""`drover.batch`: methods that work on several requests at once."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import itertools
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from .batch_queue import SLOW_READER, BatchQueue, BatchSettings, Item
from .durations import seconds_of
from .errors import StatusError
from .field_hint import refuse_unknown
from .models import is_method
from .program_report import count_batch
from .request_context import begin_request, context, for_batch
from .threads import END, Threads

#: The longest wait of a batch, in seconds.
WAIT_MAX = 3600.0

_threads = Threads()


def batch(
    function: Any = None,
    /,
    *,
    max_batch_size: int = 10,
    batch_wait_timeout: float | str | timedelta = 0.01,
    max_concurrent_batches: int = 1,
    **unknown: NoReturn,
) -> Any:
    """Collects calls of a function or method and works on them together, as a decorator with or
    without options.

        @drover.batch(max_batch_size=8, batch_wait_timeout="10ms")
        async def classify(self, texts):
            return self.model(texts)

    One call has one text and gets one result: `await self.classify("text")`. The function gets a list
    of each argument, with an element for each call, and returns a list with a result for each call in
    the same order. An exception in that list fails the call at its place alone; an exception that the
    function raises fails all calls of the batch.

    A generator makes streams: each `yield` is a list with the next result of each call, or the class
    `StopAsyncIteration` for a call whose stream has ended. A function that is not async runs in a
    thread.

    A call whose caller has left is dropped before its batch. A batch has calls for one model only
    (`drover.multiplexed`). `self.classify.set_max_batch_size(n)` and
    `self.classify.set_batch_wait_timeout(time)` change the settings, for example in `reconfigure`.

    Args:
        max_batch_size: requests in a batch at most, 1 to 10,000.
        batch_wait_timeout: how long the first request of a batch waits for others, in seconds or as
            text such as "10ms"; longer makes larger batches, and answers later.
        max_concurrent_batches: batches in work at a time, 1 to 1,000.
    """
    refuse_unknown("batch", unknown, ("max_batch_size", "batch_wait_timeout", "max_concurrent_batches"))
    settings = BatchSettings(
        _within("max_batch_size", max_batch_size, 10_000),
        _wait(batch_wait_timeout),
        _within("max_concurrent_batches", max_concurrent_batches, 1_000),
    )

    def decorate(decorated: Any) -> Any:
        return BatchedMethod(decorated, settings) if is_method(decorated) else _batched(decorated, settings)

    return decorate if function is None else decorate(function)


class BatchedMethod:
    """A batched method: each instance of its class has its own batches."""

    def __init__(self, function: Callable[..., Any], settings: BatchSettings) -> None:
        self._function = function
        self._settings = settings
        self._name = function.__name__
        functools.update_wrapper(self, function)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        call = _batched(self._function.__get__(instance), self._settings)
        instance.__dict__[self._name] = call  # found there from now on
        return call

    def __call__(self, instance: Any, *args: Any, **keywords: Any) -> Any:
        return self.__get__(instance)(*args, **keywords)


def _batched(function: Callable[..., Any], settings: BatchSettings) -> Any:
    """The async function, or async generator, that one call of the batched function is."""
    batcher = _Batcher(function, settings)
    call: Any
    if batcher.is_stream:

        async def stream(*args: Any, **keywords: Any) -> AsyncIterator[object]:
            item = batcher.enter(args, keywords)
            try:
                while (result := await item.next()) is not END:
                    yield result
            finally:
                item.leave()

        call = stream
    else:

        async def one(*args: Any, **keywords: Any) -> object:
            item = batcher.enter(args, keywords)
            try:
                return await item.next()
            finally:
                item.leave()

        call = one
    functools.update_wrapper(call, function)
    del call.__wrapped__
    call.__signature__ = batcher.signature
    call.set_max_batch_size = batcher.set_max_batch_size
    call.set_batch_wait_timeout = batcher.set_batch_wait_timeout
    return call


class _Batcher:
    def __init__(self, function: Callable[..., Any], settings: BatchSettings) -> None:
        self._function = function
        self._settings = settings
        self.signature = inspect.signature(function)
        for parameter in self.signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError(f"batch: {function.__name__} must name its parameters, instead of {parameter}")
        self.is_stream = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)
        self._variables = contextvars.copy_context()
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, BatchQueue] = WeakKeyDictionary()

    def enter(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Item:
        arguments = self.signature.bind(*args, **keywords)
        arguments.apply_defaults()
        item = Item(arguments, context(), self._settings.batch_wait)
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = BatchQueue(self._settings, self._run, self._variables)
        queue.add(item)
        return item

    def set_max_batch_size(self, max_batch_size: int) -> None:
        """Changes how many requests a batch has at most, also for those that wait."""
        self._set(self._settings._replace(max_batch_size=_within("max_batch_size", max_batch_size, 10_000)))

    def set_batch_wait_timeout(self, batch_wait_timeout: float | str | timedelta) -> None:
        """Changes how long the first request of a batch waits for others, for requests to come."""
        self._set(self._settings._replace(batch_wait=_wait(batch_wait_timeout)))

    def _set(self, settings: BatchSettings) -> None:
        self._settings = settings
        for loop, queue in list(self._queues.items()):
            queue.settings = settings
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.look)

    async def _run(self, batch: list[Item]) -> None:
        """Works on a batch. Never raises, but when it is cancelled."""
        now = time.monotonic()
        count_batch(self._function.__name__, len(batch), sum(now - item.since for item in batch))
        request = for_batch([item.request for item in batch if item.request is not None])
        begin_request(request)
        lists = inspect.BoundArguments(
            self.signature,
            {name: [item.arguments.arguments[name] for item in batch] for name in batch[0].arguments.arguments},
        )
        try:
            if self.is_stream:
                await self._relay(batch, self._function(*lists.args, **lists.kwargs))
            else:
                self._settle(batch, await self._called(lists))
        except asyncio.CancelledError as error:
            if request is not None:
                request.leave()
            _fail_all(batch, error)
            raise
        except BaseException as error:
            _fail_all(batch, error)
        finally:
            if request is not None:
                request.end()

    async def _called(self, lists: inspect.BoundArguments) -> object:
        if inspect.iscoroutinefunction(self._function):
            return await self._function(*lists.args, **lists.kwargs)
        result = await _threads.run(lambda: self._function(*lists.args, **lists.kwargs))
        return await result if inspect.isawaitable(result) else result

    def _settle(self, batch: list[Item], results: object) -> None:
        for item, result in zip(batch, self._checked(results, len(batch)), strict=True):
            if isinstance(result, BaseException):
                item.fail(result)
            else:
                item.give(result)
                item.is_over = True

    async def _relay(self, batch: list[Item], steps: Any) -> None:
        """Gives each stream of the batch its part of each step, until none wants more."""
        is_async = hasattr(steps, "__anext__")
        try:
            while any(not item.is_over for item in batch):
                step = await (anext(steps, END) if is_async else _threads.run(lambda: next(steps, END)))
                if step is END:
                    break
                for item, result in zip(batch, self._checked(step, len(batch)), strict=True):
                    if _is_end(result):
                        item.end()
                    elif isinstance(result, BaseException):
                        item.fail(result)
                    else:
                        item.give(result)
                await _readers_of(batch)
            for item in batch:
                item.end()
        finally:
            await (steps.aclose() if is_async else _threads.run(steps.close))

    def _checked(self, results: object, wanted: int) -> list[Any]:
        try:
            # Of an iterator without an end only so many are read.
            given: list[Any] | None = list(itertools.islice(iter(results), wanted + 1))  # type: ignore[call-overload]
        except TypeError:
            given = None
        if given is not None and not isinstance(results, (str, bytes, dict)) and len(given) == wanted:
            return given
        what = type(results).__name__
        if given is not None:
            what += f" of more than {wanted}" if len(given) > wanted else f" of {len(given)}"
        raise TypeError(f"the batched function {self._function.__name__} must give {wanted} results, one for each call, not a {what}")


async def _readers_of(batch: list[Item]) -> None:
    """Waits until each reader keeps up. One that is slower than the others fails once they have
    waited `SLOW_READER` for it in all."""
    while full := [item for item in batch if item.is_full]:
        reads = [asyncio.ensure_future(item.when_read()) for item in full]
        try:
            if all(item.is_full or item.is_over for item in batch):  # nobody is held up
                await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
                continue
            since = time.monotonic()
            await asyncio.wait(reads, timeout=max(0.0, SLOW_READER - max(item.held_up for item in full)))
        finally:
            for read in reads:
                read.cancel()
        for item in full:
            item.held_up += time.monotonic() - since
            if item.is_full and item.held_up >= SLOW_READER:
                text = f"the results are read too slowly: the other requests of the batch have waited {SLOW_READER:g} s"
                item.fail(StatusError("RESOURCE_EXHAUSTED", text))


def _fail_all(batch: list[Item], error: BaseException) -> None:
    for item in batch:
        if not item.is_over:
            item.fail(error)


def _is_end(result: object) -> bool:
    return (
        result in (StopAsyncIteration, StopIteration)
        if isinstance(result, type)
        else isinstance(result, (StopAsyncIteration, StopIteration))
    )


def _within(option: str, value: object, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most:
        return value
    raise ValueError(f"batch option {option}: must be a whole number from 1 to {most}, not {value!r}")


def _wait(value: object) -> float:
    seconds = seconds_of(value)
    if seconds is not None and seconds <= WAIT_MAX:
        return seconds
    raise ValueError(f'batch option batch_wait_timeout: must be a time up to an hour, such as "10ms" or 0.01 for seconds, not {value!r}')
