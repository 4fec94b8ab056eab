import type { Clock } from "../../clock/clock.ts";
import type { Requirements } from "../../core/deployment.ts";
import type { Preparation, Preparing } from "../../core/ending.ts";
import { BuildError } from "./build-error.ts";
import { firstStep, type Provisions } from "./provisions.ts";
import { isShortage } from "./shortage.ts";

/** How long an installation, or its outcome, is kept after the last `prepare` for it. */
const keptMs = 10_000;

interface Prepared {
  preparation: Preparation;
  askedAtMs: number;
  readonly abort: AbortController;
}

/**
 * Unpacks the bundles and installs the packages of replicas that wait for room, so that they start
 * at once when there is some.
 */
export class Preparations {
  readonly #provisions: Pick<Provisions, "isThere" | "provide" | "giveBack">;
  readonly #clock: Clock;
  readonly #onSettled: (name: string) => void;
  readonly #preparations = new Map<string, Prepared>();
  readonly #building = new Set<Promise<void>>();

  /** `onSettled`: an installation has ended, either way. */
  constructor(provisions: Pick<Provisions, "isThere" | "provide" | "giveBack">, clock: Clock, onSettled: (name: string) => void) {
    this.#provisions = provisions;
    this.#clock = clock;
    this.#onSettled = onSettled;
  }

  /** Begins the installation, or returns how far it is. It ends when nobody asks for it any more. */
  prepare(name: string, requirements: Requirements): Preparation {
    if (this.#provisions.isThere(requirements)) return { kind: "ready" };
    const nowMs = this.#clock.nowMs();
    const known = this.#preparations.get(name);
    if (known !== undefined) {
      known.askedAtMs = nowMs;
      return known.preparation;
    }
    const preparation: Preparation = { kind: "installing", ...firstStep(requirements) };
    const installation: Prepared = { preparation, askedAtMs: nowMs, abort: new AbortController() };
    this.#preparations.set(name, installation);
    const building = this.#build(name, requirements, installation).finally(() => this.#building.delete(building));
    this.#building.add(building);
    return preparation;
  }

  async #build(name: string, requirements: Requirements, installation: Prepared): Promise<void> {
    const onStep = (step: Preparing) => {
      installation.preparation = { kind: "installing", ...step };
    };
    installation.preparation = await this.#provisions.provide(requirements, installation.abort.signal, onStep).then(
      (provision): Preparation => {
        this.#provisions.giveBack(provision);
        return { kind: "ready" };
      },
      (cause: unknown) => failureOf(cause),
    );
    this.#onSettled(name);
  }

  /** Ends and forgets the installations that nobody has asked for lately. */
  dropUnwanted(): void {
    for (const [name, { askedAtMs, abort }] of this.#preparations) {
      if (this.#clock.nowMs() - askedAtMs < keptMs) continue;
      this.#preparations.delete(name);
      abort.abort("not wanted any more");
    }
  }

  /** Resolves when none is going on; what they wait for is closed already. */
  async close(): Promise<void> {
    await Promise.all(this.#building);
  }
}

/** Why packages could not be installed, or a process could not be started. */
export function failureOf(cause: unknown): Extract<Preparation, { kind: "failed" }> {
  if (cause instanceof BuildError) {
    const { problem, freeBytes, lines } = cause;
    return { kind: "failed", ending: { kind: "packagesFailed", problem, freeBytes }, lines };
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  const shortage = isShortage(cause) ? { shortage: true as const } : {};
  return { kind: "failed", ending: { kind: "failedToStart", why, ...shortage }, lines: [] };
}
