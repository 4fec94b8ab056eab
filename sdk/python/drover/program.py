"""A program that is constructed and ready to serve: the instance of a class, or a function."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .arguments import Parameters, arguments_for, parameters_of
from .init_args import construct
from .threads import Threads
from .values import GivenArguments

if TYPE_CHECKING:
    from .definition import Deployment

#: Optional methods that Drover calls; `Invoke` does not call them.
HOOKS = ("reconfigure", "validate_config", "check_health", "close")

Hook = Callable[..., Awaitable[object]]


@dataclass(frozen=True)
class Method:
    """A method that `Invoke` can call."""

    call: Callable[..., object]
    #: An async method runs on the event loop, others in a thread.
    is_async: bool
    #: None: they are not known.
    parameters: Parameters | None

    def bound_call(self, name: str, given: GivenArguments, context: object) -> Callable[[], object]:
        """The call with the arguments and the context. Raises INVALID_FIELD."""
        args, keywords = arguments_for(name, self.parameters, given, context)
        return lambda: self.call(*args, **keywords)


@dataclass(frozen=True)
class Hooks:
    """A program's hooks as async functions; None if the program does not have the hook."""

    reconfigure: Hook | None = None
    validate_config: Hook | None = None
    check_health: Hook | None = None
    close: Hook | None = None


@dataclass(frozen=True)
class Program:
    methods: Mapping[str, Method]
    hooks: Hooks = field(default_factory=Hooks)
    #: Validates a `user_config` before the hooks get it.
    schema: Hook | None = None
    #: Each registers one of the program's own gRPC services at the server that it gets.
    services: tuple[Callable[[Any], object], ...] = ()
    #: Metadata that calls by handles take along; `DeploymentOptions.forward_metadata`.
    forward_metadata: tuple[str, ...] = ()


async def create_program(deployment: Deployment[Any], init_args: Mapping[str, Any], threads: Threads) -> Program:
    """Makes the program of a deployment. A class is constructed by its classmethod `create`, if it
    has one, else by its constructor. Raises what the program raises."""
    target: Any = deployment.target
    if inspect.isclass(target):
        factory: Any = getattr(target, "create", None) if _has_factory(target) else target
        instance = construct(factory, init_args)
        if inspect.isawaitable(instance):
            instance = await instance
        if instance is None:
            raise TypeError(f"{target.__name__}.create must return the instance, not None")
        methods = _methods_of(instance)
        hooks = Hooks(**{name: _hook(getattr(instance, name, None), threads) for name in HOOKS})
    else:
        instance, hooks = target, Hooks()
        methods = {"call": _method(target), target.__name__: _method(target)}
    services = deployment.services
    own = tuple(services(instance)) if services is not None else ()
    for add in own:
        if not callable(add):
            raise TypeError(f"services: must return functions that take a server, not {type(add).__name__}")
    return Program(methods, hooks, _schema(deployment.user_config_schema, threads), own, deployment.forward_metadata)


def _has_factory(target: type) -> bool:
    return isinstance(inspect.getattr_static(target, "create", None), (classmethod, staticmethod))


def _methods_of(instance: object) -> Mapping[str, Method]:
    """The instance's public methods, own and inherited, without the hooks and names that begin with
    `_`.

    An attribute of the instance counts only if it is a plain function: a callable model is no
    method. `__call__` is the method `call`, unless there is another one.
    """
    methods: dict[str, Method] = {}
    factory = {"create"} if _has_factory(type(instance)) else set()
    for name in dir(instance):
        if name.startswith("_") or name in HOOKS or name in factory:
            continue
        static = inspect.getattr_static(instance, name)
        of_instance = name in getattr(instance, "__dict__", ())
        is_method = inspect.isroutine(static) if of_instance else _is_method(static)
        if is_method:
            methods[name] = _method(getattr(instance, name))
    if "call" not in methods and callable(instance):
        methods["call"] = _method(instance.__call__)
    return methods


def _is_method(static: object) -> bool:
    if isinstance(static, (staticmethod, classmethod)):
        return True
    # A property is no method, whatever it returns.
    return callable(static) and not inspect.isclass(static)


def _method(call: Callable[..., object]) -> Method:
    is_async = inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
    return Method(call, is_async, parameters_of(call))


def _hook(call: object, threads: Threads) -> Hook | None:
    """The hook as an async function. A hook that is not async runs in a thread, so that requests go
    on."""
    if not callable(call):
        return None
    if inspect.iscoroutinefunction(call):
        return call

    async def in_thread(*args: object) -> object:
        result = await threads.run(lambda: call(*args))
        return await result if inspect.isawaitable(result) else result

    return in_thread


def _schema(schema: object, threads: Threads) -> Hook | None:
    from .user_config_schema import passed_through

    return None if schema is None else _hook(lambda value: passed_through(schema, value), threads)
