"""Describes the deployment in a file: `python3 -m drover.describe FILE [NAME]` prints one JSON
object.

`spec` is the `DeploymentSpec` as proto JSON with proto field names, without its program; `export`
is the name of the deployment in the file; `files` are the file and its imports from its own folder.
If there is no deployment, the reason goes to standard error. The exit code is then 3 if a module
that the file imports was not found, and 1 otherwise.
"""

from __future__ import annotations

import json
import os
import sys
from io import TextIOWrapper

from .load_module import MissingModuleError, StartError, load_deployment
from .program_files import files_of


def main() -> int:
    # Standard output is only for the answer: output of the file while it is imported, of C code
    # too, goes to standard error.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # keeps the order of output and errors
    if len(sys.argv) not in (2, 3):
        sys.stderr.write("usage: python3 -m drover.describe FILE [NAME]\n")
        return 1
    path, name = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    try:
        deployment, export = load_deployment(path, name)
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 3 if isinstance(error, MissingModuleError) else 1
    description = {"spec": deployment.spec_json(export, path), "export": export, "files": files_of(os.path.abspath(path))}
    answer.write(json.dumps(description) + "\n")
    answer.flush()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # does not wait for threads that the file started
