# Scaling by hand: change the number and run this again, or use the command line. Other replicas go
# on; replicas that are removed finish their requests first.
#   drover run scale.py
#   drover scale square 3
import drover


@drover.deployment(version="1", num_replicas=2, resources={"num_cpus": 0.1})
def square(n: float) -> float:
    return n * n
