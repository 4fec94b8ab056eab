# Scaling by hand: change the number and run this again, or say it on the command line. Replicas that run go on running; those that
# are one too many finish their requests first.
#   drover run scale.py
#   drover scale square 3
import drover


@drover.deployment(version="1", num_replicas=2, resources={"num_cpus": 0.1})
def square(n: float) -> float:
    return n * n
