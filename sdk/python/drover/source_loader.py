"""Imports a program's own files from their source alone.

Python keeps compiled files in `__pycache__`, and takes one where the source has the same size and
the same second of change. A file that is saved twice in a second may then be imported as it was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from typing import Any


class SourceLoader(SourceFileLoader):
    """Imports a file from its source, and compiles it each time."""

    def path_stats(self, path: str) -> dict[str, Any]:
        # Without them, a loader neither reads nor writes a compiled file.
        raise OSError


def import_from_source(folder: str) -> None:
    """From now on, imports of files in `folder` or below it read no compiled files; except packages
    that are installed there."""
    finder: Callable[[str], Any] = FileFinder.path_hook(
        (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceLoader, SOURCE_SUFFIXES), (SourcelessFileLoader, BYTECODE_SUFFIXES)
    )

    def hook(path: str) -> Any:
        own = os.path.abspath(path or os.curdir)
        inside = os.path.relpath(own, folder).split(os.sep)
        if inside[0] == os.pardir or "site-packages" in inside:
            raise ImportError
        return finder(path)

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()
