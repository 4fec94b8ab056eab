"""What to write instead of an option that does not exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .rays_names import RAYS_ARGUMENTS, RAYS_NAMES, Meaning

#: The names of options, each with the names of the options in it.
Known = Mapping[str, Any]


def field_hint(given: str, known: Known, rays: Mapping[str, Meaning] = RAYS_NAMES) -> str:
    """A sentence for the end of an error: the option that is meant, or those that there are."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", given).lower()
    ray = rays.get(name)
    if isinstance(ray, str):
        return f"Ray Serve has it; {ray}"
    meant = _near(name, known) if ray is None else [path for path in (_within(known, one) for one in ray) if path]
    return f"do you mean {' and '.join(meant)}?" if meant else f"there are {', '.join(known)}"


def refuse_unknown(function: str, unknown: Iterable[str], known: Iterable[str]) -> None:
    """Raises a TypeError about the first argument that a function of the SDK does not have."""
    for name in unknown:
        hint = field_hint(name, {one: {} for one in known}, RAYS_ARGUMENTS)
        raise TypeError(f"{function}: there is no argument {name}; {hint}")


def _near(given: str, known: Known) -> list[str]:
    """An option of this name without its unit, or one level deeper, or with a name that is spelled
    like it."""
    for name in (given, re.sub(r"_(s|sec|secs|seconds)$", "", given)):
        if name in known:
            return [name]
        for around, inner in known.items():
            if name in inner:
                return [f"{around}.{name}"]
    return difflib.get_close_matches(given, list(known), n=1)


def _within(known: Known, path: str) -> str | None:
    """The path from this level on; None: it leads to no option of this level."""
    if _has(known, path):
        return path
    _, _, rest = path.partition(".")
    return _within(known, rest) if rest else None


def _has(known: Known, path: str) -> bool:
    name, _, rest = path.partition(".")
    return name in known and (not rest or _has(known[name], rest))
