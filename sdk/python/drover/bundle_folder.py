"""Which folder is sent as a bundle, and what a spec says of files in it."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Collection

from .bundle_error import BundleError

#: A folder with one of these is the folder of a program.
MARKERS = ("package.json", "pyproject.toml", "requirements.txt")
#: The lockfiles of Python, the first that is there counts.
LOCKFILES = ("uv.lock", "pylock.toml", "requirements.txt")


def bundle_folder(file: str, given: str | os.PathLike[str] | None) -> str:
    """The folder that is sent with the program `file`: `given`, relative to the file's folder; else
    the nearest folder, at or above the file's, that is marked as a program's; else the file's.

    Raises:
        BundleError: the folder given is none or does not have the file; or it would be the home
            folder, the root, or the system's folder of temporary files.
    """
    own = os.path.dirname(file)
    if given is not None:
        folder = os.path.normpath(os.path.join(own, os.path.expanduser(given)))
        if not os.path.isdir(folder):
            raise BundleError(f"bundle={os.fspath(given)!r}: there is no such folder")
        if path_inside(folder, file) is None:
            raise BundleError(f"bundle={os.fspath(given)!r}: the program {file} is not in it")
        return folder
    folder = _marked(own) or own
    homes = (os.path.expanduser("~"), "/", tempfile.gettempdir())
    if os.path.realpath(folder) in map(os.path.realpath, homes):
        remedy = "name the folder with bundle=, or make a package.json, pyproject.toml or requirements.txt in the program's own"
        raise BundleError(f"{folder} would be sent, which has more than a program: {remedy}")
    return folder


def _marked(folder: str) -> str | None:
    while not any(os.path.exists(os.path.join(folder, name)) for name in MARKERS):
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)
    return folder


def path_inside(folder: str, path: str) -> str | None:
    """The path inside the folder, empty for the folder itself; links on the way to either do not
    matter. None: it leads out of it."""
    for start, end in ((folder, path), (os.path.realpath(folder), os.path.realpath(path))):
        inside = os.path.relpath(end, start)
        if inside != ".." and not inside.startswith("../"):
            return "" if inside == "." else inside
    return None


def working_dir_inside(folder: str, working_dir: str) -> str:
    """A working folder, by its path inside the bundle. Raises BundleError."""
    inside = path_inside(folder, working_dir)
    if inside is None:
        remedy = "send a folder that has it with bundle=, or with bundle=False use the paths of the controller's machine"
        raise BundleError(f"runtime_env.working_dir: {working_dir} is not in {folder}, which is sent: {remedy}")
    return inside


def lockfile_for(program: str, paths: Collection[str]) -> str:
    """The lockfile nearest to the program at this path inside the bundle, at or above its folder;
    empty: none is sent."""
    folder = os.path.dirname(program)
    while True:
        for name in LOCKFILES:
            path = os.path.join(folder, name)
            if path in paths:
                return path
        if not folder:
            return ""
        folder = os.path.dirname(folder)


def lockfile_above(folder: str) -> str | None:
    """The lockfile of the repository that is nearest above the folder that is sent; None: there is
    none, or the project in the folder says that it needs no packages."""
    with contextlib.suppress(OSError), open(os.path.join(folder, "pyproject.toml"), encoding="utf-8", errors="replace") as project:
        if not re.search(r"^\s*dependencies\s*=\s*\[\s*[\"']", project.read(), re.MULTILINE):
            return None
    found: list[str] = []
    while not os.path.exists(os.path.join(folder, ".git")):
        if folder == os.path.dirname(folder):
            return None  # in no repository
        folder = os.path.dirname(folder)
        found += [path for name in LOCKFILES if os.path.exists(path := os.path.join(folder, name))]
    return found[0] if found else None
