"""Times as people write them."""

from __future__ import annotations

import math
import re
from datetime import timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h)"


def parse_seconds(text: str) -> float | None:
    """Seconds of `20s`, `500ms`, `1.5h` or `1h30m`; None: not a duration."""
    if not re.fullmatch(f"({_PART})+", text, re.ASCII):
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(_PART, text, re.ASCII))


def seconds_of(time: object) -> float | None:
    """Seconds of a time in code: a number of seconds, text as above, or a `timedelta`. None: it is
    none of them, negative or infinite."""
    seconds: object = time
    if isinstance(time, str):
        seconds = parse_seconds(time)
    elif isinstance(time, timedelta):
        seconds = time.total_seconds()
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < math.inf:
        return None
    return float(seconds)
