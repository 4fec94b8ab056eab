# The threads of a replica's libraries: Drover sets OMP_NUM_THREADS to the replica's whole CPUs, at
# least 1, so that replicas do not compete for cores. A program can set it itself, before it loads
# the library that reads it.
#   drover run threads.py
import os

import drover


@drover.deployment(version="1", init_args={"threads": 2}, resources={"num_cpus": 0.1})
class Threads:
    def __init__(self, threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        # Import the library here, not at the top of the file.

    def count(self) -> dict[str, int]:
        return {"threads": int(os.environ["OMP_NUM_THREADS"])}
