import type { Assignment } from "../../../src/engine/engine.ts";
import type { ReplicaContact } from "../../../src/links/replica-port.ts";
import type { CommitOptions, Write } from "../../../src/store/store.ts";
import type { Ledger } from "../ledger.ts";
import type { SimulatedEngine } from "../simulated-engine.ts";
import type { Behaviours } from "../simulated-port.ts";

/** The rules of which each has a check here, by their names. */
export type Invariant = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7" | "I8" | "I9" | "I10" | "I12" | "I13" | "I14" | "I15";

/** The actual state, independent of any controller's view. */
export interface Facts {
  readonly nowMs: number;
  /** As it was before what is being checked. */
  readonly ledger: Ledger;
  readonly engine: SimulatedEngine;
  readonly behaviours: Behaviours;
  readonly lease: Lease | undefined;
  /** Controllers that end and stop their replicas. */
  readonly stopping: ReadonlySet<string>;
  /** What each `Apply` of an application asked for, by the id of its request. */
  readonly applies: ReadonlyMap<string, AskedApply>;
}

/** What an `Apply` of an application asked for. */
export interface AskedApply {
  readonly application: string;
  readonly names: readonly string[];
  readonly prune: boolean;
}

export interface Lease {
  readonly holder: string;
  readonly epoch: number;
  readonly untilMs: number;
}

/** What a controller knew at its last tick. */
export interface Look {
  readonly controller: string;
  /** Up to which position it knew the state, and the time, when it began. */
  readonly position: number;
  readonly atMs: number;
  readonly contacts: ReadonlyMap<string, ReplicaContact>;
  /** Replicas whose process was found alive. */
  readonly alive: ReadonlySet<string>;
}

/** A commit that was written; `look` is that of the controller, undefined: by a client. */
export interface Written {
  readonly writes: readonly Write[];
  readonly options: CommitOptions;
  readonly positions: readonly number[];
  readonly look: Look | undefined;
  /** When the store was asked. A slow store answers later, and more may have happened by then. */
  readonly askedAtMs: number;
}

/** What a controller does to a process. */
export interface Deed {
  readonly verb: "start" | "terminate" | "kill" | "forget";
  readonly replicaId: string;
  readonly look: Look;
  /** What it is started with. Undefined: it is not started. */
  readonly assignment?: Assignment;
}

/** The rule it breaks, and how; undefined: none. */
export type Verdict = { readonly invariant: Invariant; readonly text: string } | undefined;
