// Updating: a revision is what replicas are started with: the version, the arguments and the
// program. Change one of them and run this again: new replicas start first, old ones finish their
// requests, and no request fails. Run it again unchanged, and nothing happens.
//   drover run update.ts
//   drover run update.ts --init-args '{"greeting": "Good morning"}'
import { deployment } from "drover";

class Greeting {
  readonly #greeting: string;

  constructor({ greeting }: { greeting: string }) {
    this.#greeting = greeting;
  }

  greet(name: string): string {
    return `${this.#greeting}, ${name}!`;
  }
}

export default deployment(Greeting, {
  version: "1", // any name; if unset, the command line computes one from this file
  initArgs: { greeting: "Hello" },
  numReplicas: 2,
  resources: { numCpus: 0.1 },
});
