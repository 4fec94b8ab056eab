# Many models in one deployment: each replica holds a few, loads one when it is asked for, and lets
# the one go that was not used for longest. Requests for a model go to a replica that holds it.
#   drover run models.py
#   drover invoke greeter greet '"Ada"' --model fr
import drover


class Model:
    def __init__(self, language: str) -> None:
        self.greeting = {"en": "Hello", "fr": "Bonjour", "de": "Guten Tag"}[language]


@drover.deployment(version="1", num_replicas=2, resources={"num_cpus": 0.1})
class Greeter:
    @drover.multiplexed(max_models=2)
    async def load(self, language: str) -> Model:
        return Model(language)

    async def greet(self, name: str, context: drover.RequestContext) -> object:
        model = await self.load(context.model)
        return {"text": f"{model.greeting}, {name}!", "replica": context.replica_id}
