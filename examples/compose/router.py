# A router: a program that sends each request to the program that is made for it.
#   drover run router.py
#   drover invoke router size '{"shape": "circle", "radius": 1}'
import math

import drover


@drover.deployment(version="1", resources={"num_cpus": 0.1})
class Circle:
    def area(self, shape: dict[str, float]) -> float:
        return math.pi * shape["radius"] ** 2


@drover.deployment(version="1", resources={"num_cpus": 0.1})
class Square:
    def area(self, shape: dict[str, float]) -> float:
        return shape["side"] ** 2


@drover.deployment(version="1", resources={"num_cpus": 0.1})
class Router:
    def __init__(self, programs: dict[str, drover.Handle]) -> None:
        self._programs = programs

    async def size(self, shape: dict[str, object]) -> object:
        program = self._programs.get(str(shape.get("shape")))
        if program is None:
            raise drover.StatusError("INVALID_ARGUMENT", f"shape: must be one of {', '.join(self._programs)}")
        return await program.area(shape)


app = Router.bind({"circle": Circle.bind(), "square": Square.bind()})
