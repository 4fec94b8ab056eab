"""The arguments of a program's constructor."""

from __future__ import annotations

from typing import Any

#: The only member of a JSON object that stands for a handle; its value is the deployment's name.
DEPLOYMENT_KEY = "$deployment"


def with_handles(json: Any) -> Any:
    """A copy in which each `{"$deployment": NAME}`, at any depth, is a handle."""
    if isinstance(json, list):
        return [with_handles(item) for item in json]
    if not isinstance(json, dict):
        return json
    name = json.get(DEPLOYMENT_KEY)
    if len(json) == 1 and isinstance(name, str):
        from .handles import handle  # imported only here: most programs call no other

        return handle(name)
    return {key: with_handles(value) for key, value in json.items()}
