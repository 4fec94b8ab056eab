"""Tracebacks for the author of a program, with frames of the program only."""

from __future__ import annotations

import os

_own = os.path.dirname(os.path.abspath(__file__)) + os.sep
#: The parts of Python's library that Drover runs programs with.
_machinery = (os.sep + "asyncio" + os.sep, os.sep + "concurrent" + os.sep + "futures" + os.sep)


def traceback_text(error: BaseException) -> str:
    """The error and its causes with their tracebacks, without the frames of Drover and of the
    machinery around the program."""
    import traceback

    whole = traceback.TracebackException.from_exception(error)
    parts: list[traceback.TracebackException] = [whole]
    for part in parts:
        part.stack = traceback.StackSummary.from_list([frame for frame in part.stack if not _is_ours(frame.filename)])
        parts += [linked for linked in (part.__cause__, part.__context__) if linked is not None and linked not in parts]
    lines = whole.format() if any(part.stack for part in parts) else whole.format_exception_only()
    return "".join(lines).rstrip()


def _is_ours(file: str) -> bool:
    return file.startswith((_own, "<frozen importlib", "<frozen runpy")) or any(part in file for part in _machinery)
