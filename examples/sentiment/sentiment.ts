// A text classifier with a real model: wink-nlp and its English model, both npm packages.
import { deployment } from "drover";
import model from "wink-eng-lite-web-model";
import winkNLP from "wink-nlp";

class Sentiment {
  // Loading the model takes most of a replica's start; all requests share it.
  readonly #nlp = winkNLP(model);
  #threshold = 0.1;

  constructor({ language = "en" }: { language?: string }) {
    if (language !== "en") throw new Error(`there is no model for the language "${language}"`);
  }

  reconfigure({ threshold }: { threshold: number }): void {
    this.#threshold = threshold;
  }

  classify({ text }: { text: string }): { label: "positive" | "negative" | "neutral"; score: number } {
    const score = Number(this.#nlp.readDoc(text).out(this.#nlp.its.sentiment));
    const label = score > this.#threshold ? "positive" : score < -this.#threshold ? "negative" : "neutral";
    return { label, score };
  }
}

export default deployment(Sentiment, {
  name: "sentiment",
  version: "1",
  numReplicas: 2,
  resources: { numCpus: 0.25 },
  maxOngoingRequests: 8,
  userConfig: { threshold: 0.1 },
  rollout: { maxStartFailures: 2 },
});
