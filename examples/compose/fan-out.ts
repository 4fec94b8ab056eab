// A fan-out: a program that asks several others at the same time, and waits for all.
//   drover run fan-out.ts
//   drover invoke panel ask '"Is it warm?"'
import { deployment, type Handle } from "drover";

class Expert {
  readonly #name: string;

  constructor({ name }: { name: string }) {
    this.#name = name;
  }

  answer(question: string): string {
    return `${this.#name} thinks about: ${question}`;
  }
}

class Panel {
  readonly #experts: readonly Handle<Expert>[];

  constructor({ experts }: { experts: readonly Handle<Expert>[] }) {
    this.#experts = experts;
  }

  ask(question: string): Promise<string[]> {
    return Promise.all(this.#experts.map((expert) => expert.answer(question)));
  }
}

const options = { version: "1", resources: { numCpus: 0.1 } };
const expert = deployment(Expert, options);
const panel = deployment(Panel, options);

// One class bound with other arguments is another deployment: expert and expert-2.
export const app = panel.bind({ experts: [expert.bind({ name: "Ada" }), expert.bind({ name: "Grace" })] });
