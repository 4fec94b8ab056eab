import type { SeededRandom } from "./seeded-random.ts";

/** All that can go wrong in a history. */
export const faultKinds = [
  "packages to install",
  "slow start",
  "hanging start",
  "failing start",
  "missing program",
  "refused config",
  "bad revision",
  "revision gone bad",
  "ignored SIGTERM",
  "crash",
  "hang",
  "lost load reports",
  "late load reports",
  "controller stopped",
  "replicas stopped with it",
  "controller killed",
  "controller cut off",
  "store away",
  "store emptied",
  "lost answer",
  "slow store",
  "slow engine",
  "change amid a look",
  "short resources",
  "wall clock stepped",
  "config refused",
  "config failed",
  "config taken, not answered",
  "config not answered",
  "slow config",
  "crash amid a change",
  "killed in PREPARE",
  "killed in APPLY_ONE",
  "killed in APPLY_REST",
  "killed in REVERT",
] as const;
export type FaultKind = (typeof faultKinds)[number];
export type FaultCounts = Record<FaultKind, number>;

export function noFaults(): FaultCounts {
  return Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as FaultCounts;
}

/** The dice of one history: which faults happen, and how many did. */
export class Faults {
  readonly counts = noFaults();
  readonly #random: SeededRandom;
  /** How rough this history is: each chance is multiplied by it; 0: nothing goes wrong any more. */
  roughness: number;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.roughness = random.pick([0.2, 1, 1, 2]);
  }

  /** Whether the fault happens now; counted if so. */
  strikes(kind: FaultKind, chance: number): boolean {
    if (this.roughness === 0 || !this.#random.chance(chance * this.roughness)) return false;
    this.note(kind);
    return true;
  }

  note(kind: FaultKind): void {
    this.counts[kind] += 1;
  }
}
