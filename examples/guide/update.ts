// Updating: what a replica is started with (the version, the arguments, the program) is a revision. Change one of them and run this again:
// new replicas start first, old ones finish their requests, and no request fails. Run it again unchanged, and nothing happens.
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
  version: "1", // a name of your own; without one the command line makes it from this file
  initArgs: { greeting: "Hello" },
  numReplicas: 2,
  resources: { numCpus: 0.1 },
});
