"""Times as people write them."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h)"


def parse_seconds(text: str) -> float | None:
    """Seconds of `20s`, `500ms`, `1.5h` or `1h30m`; None: not a duration."""
    if not re.fullmatch(f"({_PART})+", text, re.ASCII):
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(_PART, text, re.ASCII))
