# A fan-out: a program that asks several others at the same time, and waits for all.
#   drover run fan_out.py
#   drover invoke panel ask '"Is it warm?"'
import asyncio

import drover


@drover.deployment(version="1", resources={"num_cpus": 0.1})
class Expert:
    def __init__(self, name: str) -> None:
        self._name = name

    def answer(self, question: str) -> str:
        return f"{self._name} thinks about: {question}"


@drover.deployment(version="1", resources={"num_cpus": 0.1})
class Panel:
    def __init__(self, experts: list[drover.Handle]) -> None:
        self._experts = experts

    async def ask(self, question: str) -> list[str]:
        return list(await asyncio.gather(*(expert.answer(question) for expert in self._experts)))


# One class bound with other arguments is another deployment: expert and expert-2.
app = Panel.bind([Expert.bind("Ada"), Expert.bind("Grace")])
