"""What is left out of a bundle."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

try:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern
except ModuleNotFoundError as error:
    raise ImportError(f"{error}; a deploy reads .gitignore with it: python3 -m pip install 'pathspec>=1.1,<2'") from None

#: Names that are never sent, of files and of folders.
NEVER = frozenset({".git", "node_modules", ".drover", "__pycache__"})
#: What editors leave behind while a file is edited, and desktops in folders. `!` takes it back in.
LEFT_BEHIND = (".*.sw[a-p]", "*~", ".#*", "\\#*#", ".DS_Store")
#: A folder with this file is a virtual environment.
VIRTUAL_ENVIRONMENT = "pyvenv.cfg"
#: The files with rules of a folder, the stronger last.
RULE_FILES = (".gitignore", ".droverignore")


class _Rule(NamedTuple):
    #: Whether it leaves out, or takes back in.
    ignores: bool
    regex: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Whether it matches this path itself, which ends in `/` if it is a folder's. The regular
        expressions of pathspec match what is in a folder as well, and have a group for the slash
        after the folder; git's rule is that what is in a folder matches by itself."""
        found = self.regex.search(path)
        if found is None or found.lastindex is None:
            return found is not None
        # The second search is for the pattern `*/`, which finds the first folder of the path.
        return found.end(1) == len(path) or self.regex.search(path, len(path) - 1) is not None


class IgnoreRules:
    """The rules that hold in one folder: those of its own files and of the folders above it. The
    nearest file that says something decides, and in it the last line."""

    def __init__(self, files: tuple[tuple[int, tuple[_Rule, ...]], ...], prefix: str) -> None:
        self._files = files
        #: Where the sent folder is, seen from the uppermost folder with rules: empty, or with `/`.
        self._prefix = prefix

    @classmethod
    def above(cls, folder: str) -> IgnoreRules:
        """The rules of the `.gitignore` files above a folder, up to that of its repository."""
        above: list[str] = []
        at = folder
        while not os.path.lexists(os.path.join(at, ".git")):
            if at == os.path.dirname(at):
                return cls(_weakest(), "")  # in no repository
            at = os.path.dirname(at)
            above.insert(0, at)
        if not above:
            return cls(_weakest(), "")
        prefix = os.path.relpath(folder, above[0]) + "/"
        rules = cls(_weakest(), prefix)
        for one in above:
            inside = os.path.relpath(one, above[0]) + "/" if one != above[0] else ""
            rules = rules._with(one, len(inside), RULE_FILES[:1])
        return rules

    def of(self, folder: str, path: str) -> IgnoreRules:
        """The rules that hold in a folder; `path` is its own inside the bundle, empty or with a
        `/` at its end."""
        return self._with(folder, len(self._prefix + path), RULE_FILES)

    def ignores(self, path: str) -> bool:
        """Whether a file is left out, or a folder if the path inside the bundle ends in `/`."""
        whole = self._prefix + path
        for start, rules in reversed(self._files):
            inside = whole[start:]
            for rule in reversed(rules):
                if rule.matches(inside):
                    return rule.ignores
        return False

    def _with(self, folder: str, start: int, names: tuple[str, ...]) -> IgnoreRules:
        read = [(start, _read(os.path.join(folder, name))) for name in names]
        more = tuple((start, rules) for start, rules in read if rules)
        return IgnoreRules(self._files + more, self._prefix) if more else self


def _weakest() -> tuple[tuple[int, tuple[_Rule, ...]], ...]:
    rules = (_rule(line) for line in LEFT_BEHIND)
    return ((0, tuple(rule for rule in rules if rule is not None)),)


def _read(file: str) -> tuple[_Rule, ...]:
    try:
        with open(file, encoding="utf-8-sig", errors="replace", newline="") as source:
            lines = source.read().split("\n")
    except (FileNotFoundError, IsADirectoryError):
        return ()
    rules = (_rule(line.removesuffix("\r")) for line in lines)
    return tuple(rule for rule in rules if rule is not None)


def _rule(line: str) -> _Rule | None:
    """The rule of a line; None: it has none, as git takes what is no pattern for nothing."""
    # pathspec takes `a/**/` for `a/`. In git it matches the folders below.
    line = re.sub(r"/\*\*/ *$", "/**/*/", line)
    try:
        pattern = GitIgnoreSpecPattern(line)
    except (ValueError, re.error):
        return None
    return None if pattern.include is None or pattern.regex is None else _Rule(pattern.include, pattern.regex)
