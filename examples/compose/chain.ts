// A chain: a program that calls another one, deployed with it as one application.
//   drover run chain.ts
//   drover invoke summarizer summarize '"Le chat dort. Il pleut."'
import { deployment, type Handle } from "drover";

class Translator {
  readonly #words = { "le chat": "the cat", dort: "sleeps", "il pleut": "it rains" };

  translate(text: string): string {
    const translate = (translated: string, [word, translation]: [string, string]) => translated.replaceAll(word, translation);
    return Object.entries(this.#words).reduce(translate, text.toLowerCase());
  }
}

class Summarizer {
  readonly #translator: Handle<Translator>;
  readonly #minLength: number;

  constructor({ translator, minLength }: { translator: Handle<Translator>; minLength: number }) {
    this.#translator = translator;
    this.#minLength = minLength;
  }

  async summarize(text: string): Promise<string> {
    const english = await this.#translator.translate(text);
    const sentences = english.split(".").map((sentence) => sentence.trim());
    return sentences.find(({ length }) => length >= this.#minLength) ?? "";
  }
}

const options = { version: "1", resources: { numCpus: 0.1 } };
const translator = deployment(Translator, options);
const summarizer = deployment(Summarizer, options);

export const app = summarizer.bind({ translator: translator.bind(), minLength: 5 });
