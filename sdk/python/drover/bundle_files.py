"""Finds the files of a bundle in a folder."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from .bundle_error import LEAVE_OUT, BundleError
from .bundle_ignore import NEVER, VIRTUAL_ENVIRONMENT, IgnoreRules
from .bundle_path_rules import PathNames, path_problem
from .format_bytes import format_bytes
from .types import BundleBounds

#: How many of the largest files, or of the wrong ones, an error names.
NAMED = 5
#: The most folders that are read. Links between folders may make a few folders into very many.
FOLDERS = 100_000


class FoundFile(NamedTuple):
    """A file that is to be sent."""

    #: Inside the bundle, with `/`.
    path: str
    file: str
    size: int


class _Folder(NamedTuple):
    #: Inside the bundle: empty, or with a `/` at its end.
    path: str
    folder: str
    rules: IgnoreRules
    #: Of the folder itself and those that it is in, to find a link into one of them.
    ids: frozenset[tuple[int, int]]


def find_files(folder: str, bounds: BundleBounds) -> list[FoundFile]:
    """The files of a folder that are to be sent, without those that are left out.

    Raises:
        BundleError: a file that cannot be sent, or more than the bounds allow.
    """
    found: list[FoundFile] = []
    names = PathNames()
    try:
        for file in _walk(os.path.abspath(folder)):
            problem = path_problem(file.path)
            if problem is not None:
                raise BundleError(f"{file.path!r} cannot be sent: {problem}; rename it, or {LEAVE_OUT}")
            other = names.add(file.path)
            if other is not None:
                raise BundleError(
                    f"{file.path} and {other} differ only in case or normal form, and are one on some disks: "
                    f"rename one of them, or .droverignore leaves one out"
                )
            found.append(file)
            if len(found) > 2 * bounds.max_files:
                break
    except OSError as error:
        raise BundleError(f"{error.filename} cannot be read: {error.strerror}; {LEAVE_OUT}") from None
    _check_bounds(found, bounds)
    return found


def _walk(root: str) -> Iterator[FoundFile]:
    real_root = os.path.realpath(root)
    waiting = [_Folder("", root, IgnoreRules.above(root), frozenset([_id(os.stat(root))]))]
    folders = 0
    while waiting:
        at = waiting.pop()
        folders += 1
        if folders > FOLDERS:
            text = f"{root} has more than {FOLDERS:,} folders, links to folders included"
            raise BundleError(f"{text}; .droverignore leaves out what is not needed")
        rules = at.rules.of(at.folder, at.path)
        try:
            with os.scandir(at.folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            if at.path == "":
                raise
            continue  # it went since the folder above was read
        below: list[_Folder] = []
        for entry in inside:
            path = at.path + entry.name
            if entry.name in NEVER:
                continue
            seen = _seen(entry)
            is_folder = seen is not None and stat.S_ISDIR(seen.st_mode)
            if rules.ignores(path + "/" * is_folder) or (is_folder and os.path.lexists(os.path.join(entry.path, VIRTUAL_ENVIRONMENT))):
                continue
            if entry.is_symlink():
                _check_link(entry, path, real_root)
            if seen is None:
                continue  # it went since the folder was read
            if is_folder:
                if entry.is_symlink() and _id(seen) in at.ids:
                    raise BundleError(f"{path} is a symbolic link into a folder that it is in, without an end; {LEAVE_OUT}")
                below.append(_Folder(path + "/", entry.path, rules, at.ids | {_id(seen)}))
            elif stat.S_ISREG(seen.st_mode):
                yield FoundFile(path, entry.path, seen.st_size)
            else:
                raise BundleError(f"{path} is {_kind(seen.st_mode)}, which cannot be sent; {LEAVE_OUT}")
        waiting.extend(reversed(below))


def _id(seen: os.stat_result) -> tuple[int, int]:
    return seen.st_dev, seen.st_ino


def _seen(entry: os.DirEntry[str]) -> os.stat_result | None:
    """What an entry is, or what its link leads to; None: to nothing, or to itself."""
    try:
        return os.stat(entry.path)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        return None


def _check_link(entry: os.DirEntry[str], path: str, real_root: str) -> None:
    """Refuses a link that leads out of the folder, or to nothing."""
    target = os.readlink(entry.path)
    real = os.path.realpath(entry.path)
    if not os.path.exists(real):
        raise BundleError(f"{path} is a symbolic link to {target}, where nothing is; {LEAVE_OUT}")
    if real != real_root and not real.startswith(real_root.rstrip("/") + "/"):
        raise BundleError(f"{path} is a symbolic link to {target}, which is not in the folder that is sent; {LEAVE_OUT}")


def _kind(mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"


def _check_bounds(found: list[FoundFile], bounds: BundleBounds) -> None:
    if len(found) > bounds.max_files:
        where, count = _fullest(found)
        more = f", {count:,} of them in {where}" if where else ""
        number = f"more than {2 * bounds.max_files:,}" if len(found) > 2 * bounds.max_files else f"{len(found):,}"
        raise BundleError(
            f"{number} files are too many: a bundle may have {bounds.max_files:,}{more}; .droverignore leaves out what is not needed"
        )
    large = [file for file in found if file.size > bounds.max_file_bytes]
    if large:
        most = format_bytes(bounds.max_file_bytes)
        raise BundleError(f"{_largest(large)}: a file may have {most}; {LEAVE_OUT}")
    whole = sum(file.size for file in found)
    if whole > bounds.max_bundle_bytes:
        most = format_bytes(bounds.max_bundle_bytes)
        text = f"all files have {format_bytes(whole)}: a bundle may have {most}; the largest are {_largest(found)}"
        raise BundleError(f"{text}; .droverignore leaves out what is not needed")


def _largest(files: list[FoundFile]) -> str:
    named = sorted(files, key=lambda file: -file.size)[:NAMED]
    return ", ".join(f"{file.path} ({format_bytes(file.size)})" for file in named)


def _fullest(found: list[FoundFile]) -> tuple[str, int]:
    """The deepest folder that has more than half of the files; else the fullest of the first
    level."""
    counts = Counter(file.path[:end] for file in found for end, character in enumerate(file.path) if character == "/")
    if not counts:
        return "", 0
    most = [folder for folder, count in counts.items() if 2 * count > len(found)]
    first = [folder for folder in counts if "/" not in folder]
    where = max(most, key=len) if most else max(first, key=lambda folder: counts[folder])
    return where, counts[where]
