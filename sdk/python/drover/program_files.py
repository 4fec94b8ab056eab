"""What belongs to a program, so that a change of it is noticed."""

from __future__ import annotations

import os
import sys


def files_of(file: str) -> list[str]:
    """The program's own files: those of imported modules that lie beside `file` or below, but for installed packages."""
    folder = os.path.dirname(file) + os.sep
    sdk = os.path.dirname(os.path.abspath(__file__)) + os.sep
    imported = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    own = {path for path in imported if isinstance(path, str) and path.startswith(folder) and not path.startswith(sdk)}
    return sorted({file, *(path for path in own if "site-packages" not in path.removeprefix(folder).split(os.sep))})
