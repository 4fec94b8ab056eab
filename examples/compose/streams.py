# Streams: a program that reads the stream of another one, and makes a stream of it.
#   drover run streams.py
#   drover invoke shouter shout '"to be or not to be"' --stream
from collections.abc import AsyncIterator, Iterator

import drover


@drover.deployment(version="1", resources={"num_cpus": 0.1})
class Speaker:
    def speak(self, text: str) -> Iterator[str]:
        yield from text.split()


@drover.deployment(version="1", resources={"num_cpus": 0.1})
class Shouter:
    def __init__(self, speaker: drover.Handle) -> None:
        self._speaker = speaker

    async def shout(self, text: str) -> AsyncIterator[str]:
        async for word in self._speaker.speak.stream(text):
            yield word.upper()


app = Shouter.bind(Speaker.bind())
