# Updating: a revision is what replicas are started with: the version, the arguments and the
# program. Change one of them and run this again: new replicas start first, old ones finish their
# requests, and no request fails. Run it again unchanged, and nothing happens.
#   drover run update.py
#   drover run update.py --init-args '{"greeting": "Good morning"}'
import drover


@drover.deployment(
    version="1",  # any name; if unset, the command line computes one from this file
    init_args={"greeting": "Hello"},
    num_replicas=2,
    resources={"num_cpus": 0.1},
)
class Greeting:
    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    def greet(self, name: str) -> str:
        return f"{self._greeting}, {name}!"
