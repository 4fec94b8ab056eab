"""Paths as they are inside the bundle that a replica runs in."""

from __future__ import annotations

import os


def with_paths_in_bundle(text: str) -> str:
    """A text with the paths that files have inside the bundle: its reader may have no access to this
    machine."""
    folder = os.environ.get("DROVER_BUNDLE_FOLDER")
    return text.replace(f"{folder}/", "") if folder else text


def missing_file(path: str) -> str:
    """What is missing where there is no file at a path."""
    if os.environ.get("DROVER_BUNDLE_FOLDER"):
        return f"the bundle has no file {with_paths_in_bundle(os.path.abspath(path))}"
    host = os.uname().nodename
    return f"{os.path.abspath(path)}; replicas run on the machine {host}, and paths are of that machine"


def missing_package_remedy() -> str:
    """What to do where a module or its constructor imports what is not there. Empty: the replica runs in no bundle."""
    if not os.environ.get("DROVER_BUNDLE_FOLDER"):
        return ""
    return (
        "\na program in a bundle finds the bundle's files, and the packages of its lockfile"
        " (runtime_env.lockfile, such as requirements.txt) and of its pip list"
    )
