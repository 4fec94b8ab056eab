"""`drover.multiplexed`: several models in one deployment, of which some are in memory at a time."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, overload
from weakref import WeakSet

from .call_loop import call_loop, running_loop
from .errors import FieldViolation, invalid
from .field_hint import refuse_unknown
from .model_cache import ModelCache
from .program_errors import write_error, write_line
from .program_report import MODELS_MAX, ModelSource, sources
from .request_context import MODEL_KEY, RequestContext, context
from .threads import Threads

Load = TypeVar("Load", bound=Callable[..., Any])

#: The longest name of a model, in bytes.
MODEL_NAME_MAX = 256
#: How long a model may take to close before another one takes its place, in seconds.
MODEL_CLOSE = 30.0

_threads = Threads()


class Models:
    """Gives models by name; made by `drover.multiplexed`."""

    def __init__(self, load: Callable[[str], Any], max_models: int) -> None:
        self._load = load
        # A model outlives the request that it was loaded for.
        self._variables = contextvars.copy_context()
        self._cache = ModelCache(max_models, self._loaded, _unload)
        #: The names of those that are loaded or loading, and what unloads them.
        self.names = self._cache.names
        self.close = self._cache.close

    async def __call__(self, name: str | None = None) -> Any:
        """The model with this name; None: the one that the request's metadata key `drover-model`
        names. Raises INVALID_ARGUMENT if there is no name, and what the function raises."""
        request = context()
        return await self._cache.get(_checked(name, request), request)

    def get(self, name: str | None = None) -> Any:
        """The same for a method that is not async; it waits in its thread.

        Raises:
            RuntimeError: an event loop runs in this thread, which would stand still.
        """
        if running_loop() is not None:
            raise RuntimeError("get() would block the event loop of this thread: await the call itself")
        request = context()
        got = asyncio.run_coroutine_threadsafe(self._cache.get(_checked(name, request), request), call_loop())
        if request is None:
            return got.result()

        def leave() -> None:
            got.cancel()

        request.on_leave(leave)
        try:
            return got.result()
        finally:
            request.off_leave(leave)

    async def _loaded(self, name: str) -> Any:
        """Runs the function in no request, and in a thread if it is not async."""
        variables = self._variables.copy()
        if inspect.iscoroutinefunction(self._load):
            return await variables.run(asyncio.ensure_future, self._load(name))
        result = await _threads.run(lambda: variables.run(self._load, name))
        return await result if inspect.isawaitable(result) else result


class MultiplexedMethod:
    """A method that loads models: each instance of its class has its own."""

    def __init__(self, load: Callable[..., Any], max_models: int) -> None:
        self._load = load
        self._max_models = max_models
        self._name = load.__name__
        self._instances: WeakSet[Models] = WeakSet()
        self.__doc__ = load.__doc__
        # Before there is an instance: the first report says how many models there may be.
        sources.append(ModelSource(max_models, self._names, self._close))

    def _names(self) -> list[str]:
        return [name for models in self._instances for name in models.names()]

    async def _close(self) -> None:
        for models in list(self._instances):
            await models.close()

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        models = Models(functools.partial(self._load, instance), self._max_models)
        instance.__dict__[self._name] = models  # found there from now on
        self._instances.add(models)
        return models


@overload
def multiplexed(load: Load, /) -> Any: ...


@overload
def multiplexed(*, max_models: int = 3) -> Callable[[Load], Any]: ...


def multiplexed(load: Any = None, /, *, max_models: int = 3, **unknown: NoReturn) -> Any:
    """Keeps the models that a function loads by name, at most `max_models` (1 to 1,000) of them.

        @drover.multiplexed(max_models=3)
        async def model(self, name):
            return await load(name)

        async def translate(self, text):
            model = await self.model()

    Without a name it gives the model that the request's metadata key `drover-model` names; requests
    with this key are sent to a replica that holds the model. A method that is not async calls
    `self.model.get()`. To make room, the model used longest ago is unloaded: its method `close`, if
    it has one, is called and waited for, 30 s at most, before another model is loaded. A model that a request has
    got stays until the request ends, or gets another. A function that is not async loads in a thread.
    """
    refuse_unknown("multiplexed", unknown, ("max_models",))
    if not isinstance(max_models, int) or isinstance(max_models, bool) or not 1 <= max_models <= MODELS_MAX:
        raise ValueError(f"multiplexed option max_models: must be a whole number from 1 to {MODELS_MAX}, not {max_models!r}")

    def decorate(function: Any) -> Any:
        if is_method(function):
            return MultiplexedMethod(function, max_models)
        models = Models(function, max_models)
        sources.append(ModelSource(max_models, models.names, models.close))
        return models

    return decorate if load is None else decorate(load)


def is_method(function: Any) -> bool:
    """Whether a function is written in the body of a class."""
    scope = function.__qualname__.rpartition(".")[0]
    return scope != "" and not scope.endswith("<locals>")


def _checked(name: str | None, request: RequestContext | None) -> str:
    if name is None and request is not None:
        name = request.model
    if not name:
        remedy = "required: the request must name a model (drover invoke --model, or options of the handle)"
        raise invalid([FieldViolation(MODEL_KEY, remedy)])
    size = len(name.encode())
    if size > MODEL_NAME_MAX:
        raise invalid([FieldViolation(MODEL_KEY, f"the name has {size} bytes; it may have {MODEL_NAME_MAX}")])
    return name


async def _unload(model: Any) -> None:
    closing = asyncio.ensure_future(_close(model))
    done, _ = await asyncio.wait([closing], timeout=MODEL_CLOSE)
    if not done:
        write_line(f"a model has not closed after {MODEL_CLOSE:g} s; another one takes its place")


async def _close(model: Any) -> None:
    try:
        close = getattr(model, "close", None)
        if not callable(close):
            return
        result = close() if inspect.iscoroutinefunction(close) else await _threads.run(close)
        if inspect.isawaitable(result):
            await result
    except BaseException as error:  # whatever it is, it does not end the replica
        write_error("a model could not be closed; another one takes its place", error)
