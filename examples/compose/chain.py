# A chain: a program that calls another one, deployed with it as one application.
#   drover run chain.py
#   drover invoke summarizer summarize '"Le chat dort. Il pleut."'
import drover


@drover.deployment(version="1", resources={"num_cpus": 0.1})
class Translator:
    def __init__(self) -> None:
        self._words = {"le chat": "the cat", "dort": "sleeps", "il pleut": "it rains"}

    def translate(self, text: str) -> str:
        text = text.lower()
        for word, translation in self._words.items():
            text = text.replace(word, translation)
        return text


@drover.deployment(version="1", resources={"num_cpus": 0.1})
class Summarizer:
    def __init__(self, translator: drover.Handle, min_length: int) -> None:
        self._translator = translator
        self._min_length = min_length

    async def summarize(self, text: str) -> str:
        english: str = await self._translator.translate(text)
        sentences = [sentence.strip() for sentence in english.split(".")]
        return next((sentence for sentence in sentences if len(sentence) >= self._min_length), "")


app = Summarizer.bind(Translator.bind(), min_length=5)
