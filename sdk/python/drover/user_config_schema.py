"""Validates a `user_config` with the program's schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from .errors import FieldViolation, invalid


def passed_through(schema: Any, user_config: object) -> object:
    """The schema's output for a `user_config`; raises INVALID_FIELD with every issue.

    A schema is a class with `model_validate` (a pydantic model), an object with `validate_python`
    (a pydantic `TypeAdapter`), or a function.
    """
    validate = getattr(schema, "model_validate", None) or getattr(schema, "validate_python", None) or schema
    try:
        return validate(user_config)
    except Exception as error:
        issues = getattr(error, "errors", None)
        if not callable(issues):
            raise
        raise invalid([_violation_of(issue) for issue in issues()]) from error


def _violation_of(issue: Any) -> FieldViolation:
    return FieldViolation(f"user_config{path_text(issue.get('loc', ()))}", str(issue.get("msg", "is wrong")))


def path_text(path: Iterable[object]) -> str:
    """In the form of other field paths: `.name`, `[0]`, and `["a b"]` for a name that is not an
    identifier."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_]\w*", str(step), re.ASCII):
            text += f".{step}"
        else:
            text += f"[{json.dumps(str(step))}]"
    return text
