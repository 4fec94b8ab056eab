"""The files of a program, so that a change of one is detected."""

from __future__ import annotations

import os
import sys


def files_of(file: str) -> list[str]:
    """The program's own files: `file` and the imported modules in its folder or below, without
    installed packages."""
    folder = os.path.dirname(file) + os.sep
    sdk = os.path.dirname(os.path.abspath(__file__)) + os.sep
    imported = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    own = {path for path in imported if isinstance(path, str) and path.startswith(folder) and not path.startswith(sdk)}
    return sorted({file, *(path for path in own if "site-packages" not in path.removeprefix(folder).split(os.sep))})
