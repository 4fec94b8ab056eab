# The threads of a replica's libraries: Drover sets OMP_NUM_THREADS to the whole CPUs a replica holds, at least 1, so that replicas do not
# crowd each other out. A program that knows better sets it itself, before it loads what reads it.
#   drover run threads.py
import os

import drover


@drover.deployment(version="1", init_args={"threads": 2}, resources={"num_cpus": 0.1})
class Threads:
    def __init__(self, threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        # Here, not at the top of the file, the program would import its library.

    def count(self) -> dict[str, int]:
        return {"threads": int(os.environ["OMP_NUM_THREADS"])}
