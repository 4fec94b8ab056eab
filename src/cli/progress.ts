import { type Deployment, DeploymentState, type DeploymentStatus } from "../../gen/drover/v1/deployment_pb.ts";
import { conditionsInWords, subjectOf } from "./conditions.ts";
import type { Output } from "./io.ts";
import { firstLine, plain } from "./plain-text.ts";
import { colorState, deploymentState, runningOf } from "./print.ts";
import type { Colors } from "./session.ts";

/** A line of progress: `sentiment  HEALTHY  2/2 running`. */
export function progressLine(deployment: Deployment, colors: Colors): string {
  const [name, state, ...rest] = progressParts(deployment, false);
  return [name, colorState(colors, state), ...rest].join("  ");
}

function progressParts({ spec, status }: Deployment, drawn: boolean): [name: string, state: string, counts: string, message?: string] {
  const counts = rolloutProgress(status, drawn) || `${runningOf(status)} running`;
  const parts: [string, string, string] = [spec?.name ?? "", deploymentState(status), counts];
  const message = firstLine(conditionsInWords(status));
  return message ? [...parts, message] : parts;
}

const barCells = 10;

/**
 * `[######----] 6/10 new, 3 old, 9 available`, or with blocks for a terminal (`drawn`); empty: no
 * replica is being replaced.
 */
export function rolloutProgress(status: DeploymentStatus | undefined, drawn: boolean): string {
  if (status === undefined) return "";
  const { state, targetReplicas: target, runningReplicas: running, updatedReplicas: updated } = status;
  const resting = state === DeploymentState.HEALTHY || state === DeploymentState.DELETING;
  if (resting || (state !== DeploymentState.UPDATING && updated >= running)) return "";
  const full = target === 0 ? barCells : Math.min(barCells, Math.floor((barCells * updated) / target));
  const [done, left] = drawn ? ["\u2588", "\u2591"] : ["#", "-"];
  const bar = `[${done.repeat(full)}${left.repeat(barCells - full)}]`;
  return `${bar} ${updated}/${target} new, ${Math.max(0, running - updated)} old, ${running} available`;
}

/** How often a change in numbers alone gets a line of its own. */
const countsMs = 1_000;

/** One line for each name: rewritten in place on a terminal, else printed at each change. */
export class Progress {
  readonly #output: Output;
  readonly #colors: Colors;
  readonly #nowMs: (() => number) | undefined;
  readonly #lines = new Map<string, string>();
  /** By name, the subject of the last line, and when it was printed. */
  readonly #shown = new Map<string, { readonly about: string; readonly atMs: number }>();
  #drawn = 0;

  /**
   * With `nowMs`, a change in numbers alone is left out within a second of the line before, where
   * lines are not rewritten.
   */
  constructor(output: Output, colors: Colors, nowMs?: () => number) {
    this.#output = output;
    this.#colors = colors;
    this.#nowMs = nowMs;
  }

  show(deployment: Deployment): void {
    const [name, state, ...rest] = progressParts(deployment, this.#output.isTTY === true);
    if (!this.#output.isTTY && !this.#isWorthALine(name, `${state} ${subjectOf(deployment.status)}`)) return;
    this.line(name, [name, state, ...rest].join("  "), [name, colorState(this.#colors, state), ...rest].join("  "));
  }

  #isWorthALine(name: string, about: string): boolean {
    const atMs = this.#nowMs?.();
    if (atMs === undefined) return true;
    const last = this.#shown.get(name);
    if (last?.about === about && atMs - last.atMs < countsMs) return false;
    this.#shown.set(name, { about, atMs });
    return true;
  }

  /** Shows a line if `text` has changed; `colored` is what is printed. */
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

  /** Ends the line of a name. */
  end(name: string): void {
    this.clear();
    this.#lines.delete(name);
  }

  /** Removes the lines from a terminal. */
  clear(): void {
    if (this.#drawn > 0) this.#output.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }
}
