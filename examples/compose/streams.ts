// Streams: a program that reads the stream of another one, and makes a stream of it.
//   drover run streams.ts
//   drover invoke shouter shout '"to be or not to be"' --stream
import { deployment, type Handle } from "drover";

class Speaker {
  *speak(text: string): Generator<string> {
    yield* text.split(" ");
  }
}

class Shouter {
  readonly #speaker: Handle<Speaker>;

  constructor({ speaker }: { speaker: Handle<Speaker> }) {
    this.#speaker = speaker;
  }

  async *shout(text: string): AsyncGenerator<string> {
    for await (const word of this.#speaker.speak.stream(text)) yield word.toUpperCase();
  }
}

const options = { version: "1", resources: { numCpus: 0.1 } };

export const app = deployment(Shouter, options).bind({ speaker: deployment(Speaker, options).bind() });
