"""Deployments defined in code: a class or a function with options."""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .init_args import DEPLOYMENT_KEY, placed
from .json_value import LEVELS_MAX, Json
from .spec import options_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .deployment_options import DeploymentOptions

Target = TypeVar("Target", bound=Callable[..., Any])

#: Options that exist in code only and are no part of a spec.
IN_CODE = ("services", "user_config_schema", "forward_metadata")

#: What the name of metadata may be, as gRPC sends it.
METADATA_NAME = re.compile(r"[0-9a-z_.-]+")


class Deployment(Generic[Target]):
    """A class or a function with the options of its deployment; made by `drover.deployment`.

    Calling it calls the function or constructs the class, as if it were not decorated. A class that
    inherits from it is a plain class.
    """

    def __init__(self, target: Target, options: Mapping[str, Any]) -> None:
        settings = {name: value for name, value in options.items() if name not in IN_CODE}
        self.target = target
        self.services: Callable[[Any], Any] | None = options.get("services")
        self.user_config_schema: object = options.get("user_config_schema")
        self.forward_metadata = _names_of_metadata(options.get("forward_metadata"))
        self._options = dict(options)
        self._json = options_json(settings)
        _check_in_code(target, self.services, self.user_config_schema)
        functools.update_wrapper(self, target, updated=())

    def options(self, **overrides: Unpack[DeploymentOptions]) -> Deployment[Target]:
        """A copy with some options replaced; None removes one. Raises TypeError as `deployment`
        does."""
        return Deployment(self.target, {**self._options, **overrides})

    def bind(self, *args: Any, **keywords: Any) -> Application:
        """The deployment with the arguments of its constructor, over those of the option
        `init_args`: JSON, and other bound deployments, which the constructor gets as handles.
        `drover run` deploys all of them as one application.

        Raises:
            TypeError: names the first argument that is missing, unknown, or neither of the two.
        """
        return _bind(self, args, keywords)

    @property
    def init_args(self) -> dict[str, Json]:
        """The option `init_args`."""
        given = self._json.get("init_args")
        return given if isinstance(given, dict) else {}

    def in_code(self, option: str) -> object:
        """The value of an option that exists in code only; None: it is not set."""
        return self._options.get(option)

    def spec_json(self, export_name: str, file: str) -> dict[str, Json]:
        """The spec as proto JSON with proto field names, without its program."""
        return {"name": self._default_name(export_name, file), **self._json}

    def _default_name(self, export_name: str, file: str) -> str:
        """The name of the class or function; if it has none, the export's, else the file's."""
        stem = os.path.splitext(os.path.basename(file))[0]
        names = (self.target.__name__, export_name, stem)
        return kebab(next((name for name in names if name not in ("", "<lambda>")), ""))

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.target(*args, **keywords)

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[Target]:
        return (self.target,)

    def __repr__(self) -> str:
        return f"<drover.Deployment of {self.target.__name__}>"


@dataclass(frozen=True, eq=False)
class Application:
    """A deployment with the arguments of its constructor; made by `Deployment.bind`. Deployments
    among the arguments arrive in the constructor as handles. All that it holds are deployed as one
    application."""

    deployment: Deployment[Any]
    #: The arguments by name, over those of the option `init_args`.
    bound: Mapping[str, Any]


def _bind(deployment: Deployment[Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Application:
    """Binds arguments by the signature of the constructor. Raises a TypeError that names the first
    argument that is missing, unknown, or neither JSON nor a bound deployment."""
    name = deployment.target.__name__
    bound = _by_name(deployment, args, keywords)
    unbound = _unbound(bound, "")
    if unbound is not None:
        raise TypeError(f"{name}.bind: {unbound.removeprefix('.')} is a deployment without its arguments: write .bind() after it")
    options_json({"init_args": written(bound, lambda part: "name")})
    return Application(deployment, bound)


def _by_name(deployment: Deployment[Any], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
    target = deployment.target
    if not inspect.isclass(target):
        if args or keywords:
            raise TypeError(f"{target.__name__}.bind: a function takes no arguments of a constructor; make it a class")
        return {}
    factory = inspect.getattr_static(target, "create", None)
    try:
        made_by: Any = getattr(target, "create", None) if isinstance(factory, (classmethod, staticmethod)) else target
        signature = inspect.signature(made_by)
    except (TypeError, ValueError):  # some classes written in C have no signature
        if args:
            raise TypeError(f"{target.__name__}.bind: give the arguments by name") from None
        return dict(keywords)
    bound: dict[str, Any] = {}
    try:
        for name, value in signature.bind_partial(*args, **keywords).arguments.items():
            kind = signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                bound.update(value)
            else:
                bound[name] = value
        by_place, by_keyword = placed(signature, {**deployment.init_args, **bound})
        signature.bind(*by_place, **by_keyword)
    except TypeError as error:
        raise TypeError(f"{target.__name__}.bind: {error}") from None
    return bound


def written(value: Any, name_of: Callable[[Application], str], level: int = 0) -> Any:
    """The arguments with the name of a deployment in the place of each, and of each handle."""
    if isinstance(value, Application):
        return {DEPLOYMENT_KEY: name_of(value)}
    handles = sys.modules.get(f"{__package__}.handles")  # where it was not imported, there is no handle
    if handles is not None and isinstance(value, handles.Handle):
        return {DEPLOYMENT_KEY: handles.argument_of(value)}
    if level > LEVELS_MAX:  # the check of options refuses what is deeper
        return value
    if isinstance(value, Mapping):
        return {name: written(member, name_of, level + 1) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [written(item, name_of, level + 1) for item in value]
    return value


def _unbound(value: Any, path: str, level: int = 0) -> str | None:
    """The path of a deployment that nothing was bound to."""
    if isinstance(value, Deployment):
        return path
    if level > LEVELS_MAX:
        return None
    if isinstance(value, Mapping):
        steps = [(f"{path}.{name}", member) for name, member in value.items()]
    else:
        steps = [(f"{path}[{at}]", item) for at, item in enumerate(value)] if isinstance(value, (list, tuple)) else []
    return next((found for step, member in steps if (found := _unbound(member, step, level + 1)) is not None), None)


@overload
def deployment(target: Target, /) -> Deployment[Target]: ...


@overload
def deployment(**options: Unpack[DeploymentOptions]) -> Callable[[Target], Deployment[Target]]: ...


def deployment(target: Any = None, /, **options: Any) -> Any:
    """Defines a deployment of a class or a function, as a decorator with or without options.

    A class is constructed with `init_args` as keyword arguments. `Invoke` can call its public
    methods; a function is called as `call` and by its own name. The first argument is any JSON
    value or bytes. A second parameter named `context` gets a `RequestContext`. Methods that are not
    async run in threads. Generators return streams. The hooks `reconfigure(user_config)`,
    `validate_config(user_config)`, `check_health()` and `close()` are optional.

    Raises:
        TypeError: names the first option that is unknown or has the wrong type. Ranges are checked
            when it is deployed.
    """
    if target is not None:
        return Deployment(target, options)

    def decorate(decorated: Any) -> Any:
        return Deployment(decorated, options)

    Deployment(_anything, options)  # reports wrong options at the line of the decorator
    return decorate


def _anything() -> None:
    """A stand-in for the class or function that will be decorated."""


def _check_in_code(target: object, services: object, schema: object) -> None:
    if isinstance(target, Deployment):
        raise TypeError("deployment: is one already; use .options(...) for a copy with other options")
    if not inspect.isclass(target) and not inspect.isroutine(target):
        raise TypeError(f"deployment: must be given a class or a function, not {type(target).__name__}")
    if services is not None and not callable(services):
        raise TypeError("deployment option services: must be a function")
    if schema is None:
        return
    if not any(callable(getattr(schema, name, None)) for name in ("model_validate", "validate_python", "__call__")):
        raise TypeError("deployment option user_config_schema: must be a pydantic model or TypeAdapter, or a function")
    if not inspect.isclass(target) and target is not _anything:
        remedy = "make it a class with reconfigure(self, user_config)"
        raise TypeError(f"deployment option user_config_schema: a function takes no user_config; {remedy}")


def _names_of_metadata(names: object) -> tuple[str, ...]:
    if names is None:
        return ()
    if not isinstance(names, (list, tuple)):
        raise TypeError(f"deployment option forward_metadata: must be a list of names, not a {type(names).__name__}")
    for name in names:
        if not isinstance(name, str) or not METADATA_NAME.fullmatch(name):
            raise TypeError(f"deployment option forward_metadata: {name!r} must be of lower-case letters, digits and any of _-.")
    return tuple(names)


def find_deployment(module: ModuleType, name: str) -> tuple[Deployment[Any], str]:
    """Finds the deployment with this name in a module. Empty: the only one whose class or function
    the module defines, or the only one at all. A plain class or function is found by its name too.
    Raises LookupError."""
    members = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    found = {key: value for key, value in members.items() if isinstance(value, Deployment)}
    if name:
        named = vars(module).get(name)
        if isinstance(named, Deployment):
            return named, name
        if inspect.isclass(named) or inspect.isfunction(named):
            return Deployment(named, {}), name
        what = f'"{name}" is not a deployment' if named is not None else f'there is no "{name}"'
        raise LookupError(f"{what}; {_listed(module, members, found)}")
    own = {key: value for key, value in found.items() if value.target.__module__ == module.__name__}
    for candidates in (own, found):
        by_identity = {id(value): key for key, value in reversed(candidates.items())}
        if len(by_identity) == 1:
            (key,) = by_identity.values()
            return found[key], key
        if candidates:
            raise LookupError(f"it has several deployments, name one of them: {', '.join(candidates)}")
    raise LookupError(f"it has no deployment; {_listed(module, members, found)}")


def _listed(module: ModuleType, members: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    own = [
        f"{name} (a deployment)" if name in found else name
        for name, value in members.items()
        if name in found or (callable(value) and getattr(value, "__module__", None) == module.__name__)
    ]
    return f"it has {', '.join(own)}" if own else "it has no class or function either"


def kebab(name: str) -> str:
    """In kebab-case: `HTTPServer2` becomes `http-server2`. The same rule as in every SDK."""
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", name)
    name = re.sub(r"([A-Z])([A-Z][a-z])", r"\1-\2", name).lower()
    return re.sub(r"^[^a-z]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", name))
