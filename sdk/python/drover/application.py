"""Deployments bound to the arguments of their constructors: a graph that is deployed as one
application."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from .definition import IN_CODE, Application, Deployment, find_deployment, written
from .json_value import Json
from .spec import options_json


class Part(NamedTuple):
    """One deployment of an application."""

    #: Proto JSON of a `DeploymentSpec` with proto field names, without its program.
    spec: dict[str, Json]
    #: How a replica finds it in the file.
    export: str
    #: The names of the deployments that it calls.
    uses: list[str]


class Found(NamedTuple):
    """What a file deploys."""

    #: The application; None: it is a deployment without one.
    application: str | None
    parts: list[Part]


def find_program(module: ModuleType, name: str, args: Mapping[str, Json] | None, file: str) -> Found:
    """What a file deploys. `name` is empty, or the name of a deployment, of an application, or of a
    function that returns one (a builder), which gets `args` by name. Without a name: the
    application `app`, or the only one, else the only deployment. A function without required
    parameters that returns no application is a deployment itself. `APP#NAME` is one deployment of
    an application, alone. Raises LookupError."""
    name, built_with, alone = _parsed(name)
    root = _find_application(module, name, args if built_with is None else built_with)
    if root is not None:
        parts = parts_of(root[0], root[1], module, file)
        if alone is None:
            return Found(str(parts[0].spec["name"]), parts)
        named = [part for part in parts if part.spec["name"] == alone]
        if not named:
            raise LookupError(_no_such_part(name, alone))
        return Found(None, named)
    deployment, export = find_deployment(module, name)
    return Found(None, [Part(deployment.spec_json(export, file), export, [])])


def deployment_at(module: ModuleType, reference: str, file: str) -> Deployment[Any]:
    """The deployment that a program names: by its name in the file, or as `APP#NAME`, the
    deployment `NAME` of an application. Raises LookupError."""
    name, args, part = _parsed(reference)
    if part is None:
        named = vars(module).get(name)
        return named.deployment if isinstance(named, Application) else find_deployment(module, name)[0]
    root = _find_application(module, name, args)
    if root is None:
        raise LookupError(f'"{name}" is no application')
    node = _nodes(root[0], module, file).get(part)
    if node is None:
        raise LookupError(_no_such_part(name, part))
    return node.deployment


def _parsed(reference: str) -> tuple[str, Mapping[str, Json] | None, str | None]:
    """Of `build?{"size":"large"}#translator` the name, the arguments of a builder, the
    deployment."""
    match = re.fullmatch(r"([^?#]*)(?:\?(.*))?#([^#]*)", reference, re.DOTALL)
    if match is None:
        return reference, None, None
    name, args, part = match.groups()
    return name, None if args is None else json.loads(args), part


def _no_such_part(application: str, part: str) -> str:
    return f'its application "{application}" has no deployment "{part}"'


def _find_application(module: ModuleType, name: str, args: Mapping[str, Json] | None) -> tuple[Application, str] | None:
    """The application, and how a replica finds it: its name, and after `?` a builder's
    arguments."""
    members = vars(module)
    if not name and args is None:
        found = {id(value): key for key, value in reversed(members.items()) if isinstance(value, Application)}
        if isinstance(members.get("app"), Application):
            name = "app"
        elif len(found) > 1:
            raise LookupError(f"it has several applications, name one of them: {', '.join(reversed(found.values()))}")
        else:
            name = next(iter(found.values()), "")
    value = members.get(name)
    if args is not None and not inspect.isfunction(value):
        wrong = f"{name} is none" if name else "name one after a colon, as in app.py:build"
        raise LookupError(f"only a function takes arguments: {wrong}")
    if isinstance(value, Application):
        return value, name
    if not inspect.isfunction(value) or (args is None and _has_required(value)):
        return None
    built = _build(value, args or {})
    if isinstance(built, Application):
        return built, name if args is None else f"{name}?{json.dumps(args, separators=(',', ':'), ensure_ascii=False)}"
    if args is not None:
        raise LookupError(f"{name} must return an application, which `.bind()` of a deployment makes")
    return None


def _build(function: Callable[..., Any], args: Mapping[str, Json]) -> Any:
    """Calls a function that builds an application. Its only parameter gets all arguments as one if
    it is annotated as a dict, a dataclass or a pydantic model."""
    from .arguments import arguments_for, parameters_of  # a replica rarely needs them this early
    from .errors import StatusError
    from .typed_value import is_object
    from .values import GivenArguments

    parameters = parameters_of(function)
    if parameters is not None and len(parameters.all) == 1:
        [only] = parameters.all
        if only.name not in args and is_object(parameters.types.get(only.name)):
            args = {only.name: dict(args)} if args or only.default is inspect.Parameter.empty else {}
    try:
        by_place, by_name = arguments_for(function.__name__, parameters, GivenArguments([], args), None)
    except StatusError as error:
        raise LookupError("\n".join(f"{field}: {description}" for field, description in error.violations)) from None
    return function(*by_place, **by_name)


def _has_required(function: Callable[..., object]) -> bool:
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return any(one.default is inspect.Parameter.empty and one.kind not in rest for one in parameters)


def _nodes(root: Application, module: ModuleType, file: str) -> dict[str, Application]:
    """Each bound deployment once, the root first, with a name of its own: of those that would have
    the same, the second gets `-2`."""
    named: dict[str, Application] = {}
    seen: set[int] = set()

    def visit(node: Application) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        wanted = str(node.deployment.spec_json(_export_of(node.deployment, module) or "", file)["name"])
        name, count = wanted, 2
        while name in named:
            name, count = f"{wanted}-{count}", count + 1
        named[name] = node
        for part in _inside(node.bound):
            visit(part)

    visit(root)
    return named


def parts_of(root: Application, reference: str | None, module: ModuleType, file: str) -> list[Part]:
    """All deployments of an application that the file has as `reference`; None: under no name. Then
    each of its deployments must have one, else LookupError."""
    nodes = _nodes(root, module, file)
    names = {id(node): name for name, node in nodes.items()}
    return [_part(node, names, module, reference) for node in nodes.values()]


def _part(node: Application, names: Mapping[int, str], module: ModuleType, reference: str | None) -> Part:
    deployment, name = node.deployment, names[id(node)]
    bound = written(node.bound, lambda part: names[id(part)])
    init_args = {**deployment.init_args, **bound}
    spec = {**deployment.spec_json(name, ""), **options_json({"name": name, "init_args": init_args or None})}
    export = _export_of(deployment, module)
    if export is None and reference is None:
        remedy = "give the application a name in the file, as in app = ….bind(…)"
        raise LookupError(f"no replica can find {deployment.target.__name__}, as it has no name there: {remedy}")
    export = export or f"{reference}#{name}"
    return Part(spec, export, list(dict.fromkeys(names[id(part)] for part in _inside(node.bound))))


def _export_of(deployment: Deployment[Any], module: ModuleType) -> str | None:
    """The name in the file of the same program: the same but for its options in the spec."""
    for name, value in vars(module).items():
        if isinstance(value, Deployment) and value.target is deployment.target:
            if all(value.in_code(option) is deployment.in_code(option) for option in IN_CODE):
                return name
    return None


def _inside(value: Any) -> Iterator[Application]:
    """The bound deployments in a value, in the order in which they stand there."""
    if isinstance(value, Application):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for member in value.values() if isinstance(value, Mapping) else value:
            yield from _inside(member)
