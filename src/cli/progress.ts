import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import type { Output } from "./io.ts";
import { colorState, deploymentState, firstLine, plain, runningOf } from "./print.ts";
import type { Colors } from "./session.ts";

/** `sentiment  UPDATING  1/2 running  starting sentiment-x7k2p`, without colours. */
export function progressLine(deployment: Deployment): string {
  return progressParts(deployment).join("  ");
}

function progressParts({ spec, status }: Deployment): [name: string, state: string, running: string, message?: string] {
  const parts: [string, string, string] = [spec?.name ?? "", deploymentState(status), `${runningOf(status)} running`];
  // A status message begins with the same numbers in words.
  const message = firstLine((status?.message ?? "").replace(/^\d+ of \d+ running(; |$)/, ""));
  return message ? [...parts, message] : parts;
}

/** One line for each thing that changes: rewritten in place on a terminal, else printed once a change. */
export class Progress {
  readonly #output: Output;
  readonly #colors: Colors;
  readonly #lines = new Map<string, string>();
  #drawn = 0;

  constructor(output: Output, colors: Colors) {
    this.#output = output;
    this.#colors = colors;
  }

  show(deployment: Deployment): void {
    const [name, state, ...rest] = progressParts(deployment);
    this.line(name, [name, state, ...rest].join("  "), [name, colorState(this.#colors, state), ...rest].join("  "));
  }

  /** `text` is what counts as a change; `colored` what is printed. */
  line(name: string, text: string, colored = text): void {
    if (this.#lines.get(name) === text) return;
    this.#lines.set(name, text);
    if (!this.#output.isTTY) {
      this.#output.write(`${colored}\n`);
      return;
    }
    this.clear();
    const width = Math.max(20, this.#output.columns ?? 80) - 1;
    for (const line of this.#lines.values()) this.#output.write(`${this.#colors.dim(plain(line).slice(0, width))}\n`);
    this.#drawn = this.#lines.size;
  }

  /** Takes the lines away again, on a terminal. */
  clear(): void {
    if (this.#drawn > 0) this.#output.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }
}
