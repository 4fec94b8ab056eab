"""The arguments for a program's method, from those of a request."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from .errors import FieldViolation, invalid
from .request_context import RequestContext
from .typed_value import typed
from .values import GivenArguments


@dataclass(frozen=True)
class Parameters:
    """The parameters of a method."""

    #: In the order of the method, with that for the context.
    all: Sequence[Parameter]
    #: The types of those that have one.
    types: Mapping[str, object]
    #: Names that no caller can give: that of the context, and of the method's own `self`.
    reserved: frozenset[str]

    def takes_context(self, parameter: Parameter) -> bool:
        """Whether it is named `context` or annotated as `RequestContext`, wherever it stands."""
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            return False
        hint = self.types.get(parameter.name)
        return parameter.name == "context" or hint is RequestContext or RequestContext in typing.get_args(hint)


def parameters_of(method: Callable[..., object]) -> Parameters | None:
    """None: the signature is not known, as that of some functions written in C."""
    try:
        found = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return None
    try:
        types = typing.get_type_hints(inspect.unwrap(method))
    except Exception:  # a name that exists for type checkers only
        types = {parameter.name: _context_by_text(parameter.annotation) for parameter in found}
    own = list(inspect.signature(method.__func__).parameters)[:1] if inspect.ismethod(method) else []
    return Parameters(found, types, frozenset({"context", *own}))


def _context_by_text(annotation: object) -> object:
    is_context = isinstance(annotation, str) and annotation.split(".")[-1] == RequestContext.__name__
    return RequestContext if is_context else annotation


def arguments_for(method: str, parameters: Parameters | None, given: GivenArguments, context: object) -> tuple[list[Any], dict[str, Any]]:
    """What the method is called with, by position and by keyword. Raises INVALID_FIELD with the name
    of each parameter that is unknown, given twice or missing, or whose value does not fit its type."""
    if parameters is None:
        return list(given.positional) or [None], dict(given.named)
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    by_place = [p for p in parameters.all if p.kind in kinds]
    taken = [p for p in by_place if not parameters.takes_context(p)]
    by_keyword = [p for p in parameters.all if p.kind is Parameter.KEYWORD_ONLY]
    named = [p for p in by_keyword if not parameters.takes_context(p)]
    takes_rest = any(p.kind is Parameter.VAR_POSITIONAL for p in parameters.all)
    takes_more = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.all)
    positional = _with_none(given, [*taken, *named], takes_rest)
    values: dict[str, object] = {p.name: value for p, value in zip(taken, positional, strict=False)}
    rest = positional[len(taken) :]
    more: dict[str, object] = {}
    wrong: list[FieldViolation] = []

    if rest and not takes_rest:
        wrong.append(FieldViolation(f"arguments.positional[{len(taken)}]", f'"{method}" takes {_list_of([*taken, *named])}'))
    by_name = {p.name for p in [*taken, *named] if p.kind is not Parameter.POSITIONAL_ONLY}
    for name, value in sorted(given.named.items()):
        if name in by_name and name in values:
            wrong.append(FieldViolation(name, f'"{method}" gets it twice: by position and by name; give it once'))
        elif name in by_name:
            values[name] = value
        elif takes_more and name not in parameters.reserved:
            more[name] = value
        else:
            wrong.append(FieldViolation(name, f'"{method}" has no such parameter; it takes {_list_of([*taken, *named])}'))
    for p in [*taken, *named]:
        if p.name not in values and p.default is Parameter.empty:
            wrong.append(FieldViolation(p.name, f'missing; "{method}" needs it, for it has no default'))
    if wrong:
        raise invalid(wrong)

    values = {name: typed(parameters.types.get(name), value, name) for name, value in values.items()}
    values.update({p.name: context for p in [*by_place, *by_keyword] if parameters.takes_context(p)})
    args = [values.get(p.name, p.default) for p in by_place]
    return [*args, *rest], {**{p.name: values[p.name] for p in by_keyword if p.name in values}, **more}


def _with_none(given: GivenArguments, taken: Sequence[Parameter], takes_rest: bool) -> Sequence[object]:
    """Nothing given is None for the only parameter that must be given; None is nothing for a method
    that takes nothing."""
    if not taken and not takes_rest and list(given.positional) == [None]:
        return []
    needed = [p for p in taken if p.default is Parameter.empty]
    only_first = bool(taken) and needed == [taken[0]] and needed[0].kind is not Parameter.KEYWORD_ONLY
    return [None] if only_first and not given.positional and not given.named else given.positional


def _list_of(parameters: Sequence[Parameter]) -> str:
    if not parameters:
        return "no arguments"
    texts = (p.name if p.default is Parameter.empty else f"{p.name} (optional)" for p in parameters)
    return f"{len(parameters)}: {', '.join(texts)}"
