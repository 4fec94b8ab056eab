// Many models in one deployment: each replica holds a few, loads one when it is asked for, and lets
// the one go that was not used for longest. Requests for a model go to a replica that holds it.
//   drover run models.ts
//   drover invoke greeter greet '"Ada"' --model fr
import { deployment, multiplexed, type RequestContext } from "drover";

const greetings: Readonly<Record<string, string>> = { en: "Hello", fr: "Bonjour", de: "Guten Tag" };

class Greeter {
  readonly #load = multiplexed(async (language: string) => ({ greeting: greetings[language] }), { maxModels: 2 });

  async greet(name: string, context: RequestContext) {
    const { greeting } = await this.#load(context.model ?? "en");
    return { text: `${greeting}, ${name}!`, replica: context.replicaId };
  }
}

export default deployment(Greeter, { version: "1", numReplicas: 2, resources: { numCpus: 0.1 } });
