"""Describes what a file deploys: `python3 -m drover.describe FILE [NAME [ARGS]]` prints one JSON
object. ARGS is a JSON object, for a function `NAME` that builds an application. With `-` in the place
of all three, they are read as a JSON array from the first line of standard input, so that the
process may be started before they are known.

`deployments` has for each deployment its `spec`, the `DeploymentSpec` as proto JSON with proto
field names, without its program; `export`, by which a replica finds it in the file; and `uses`, the
names of the deployments that it calls. `application` is the name of their application, the root
first; without one, there is one deployment. `files` are the file and its imports from its own
folder. If there is no deployment, the reason goes to standard error. The exit code is then 3 if a
module that the file imports was not found, and 1 otherwise.
"""

from __future__ import annotations

import json
import os
import sys
from io import TextIOWrapper

from .load_module import MissingModuleError, StartError, load_program
from .program_files import files_of
from .source_loader import import_from_source


def main() -> int:
    # Standard output is only for the answer: output of the file while it is imported, of C code
    # too, goes to standard error.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # keeps the order of output and errors
    given = sys.argv[1:]
    if given == ["-"]:
        line = sys.stdin.readline()
        if line == "":
            return 1  # no longer needed
        given = json.loads(line)
    if not 1 <= len(given) <= 3:
        sys.stderr.write("usage: python3 -m drover.describe FILE [NAME [ARGS]]\n")
        return 1
    path, name, args = [*given, "", ""][:3]
    import_from_source(os.path.dirname(os.path.abspath(path)))
    try:
        found = load_program(path, name, json.loads(args) if args else None)
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 3 if isinstance(error, MissingModuleError) else 1
    deployments = [part._asdict() for part in found.parts]
    description = {"application": found.application, "deployments": deployments, "files": files_of(os.path.abspath(path))}
    answer.write(json.dumps(description) + "\n")
    answer.close()  # so that nobody waits for the end of this process
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # does not wait for threads that the file started
