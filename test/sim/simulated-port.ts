import { type Acquaintance, noContact, type ReplicaContact, type ReplicaPort } from "../../src/loops/replica-port.ts";
import type { SimulatedEngine } from "./simulated-engine.ts";

/** How a replica behaves once it serves; what is not said is as in a healthy idle one. */
export interface Behaviour {
  readonly ongoing: number;
  readonly completed: number;
  readonly failed: number;
  /** Its answer, `reason` beside it. */
  readonly answer: "ready" | "refused" | "unhealthy";
  readonly reason: string;
  /** Its load stream is broken: nothing is known of its load, and it gets no requests. */
  readonly silent: boolean;
}

const healthy: Behaviour = { ongoing: 0, completed: 0, failed: 0, answer: "ready", reason: "", silent: false };

/** Talks to the processes of a simulated engine, which answer at once: what the port says is so at this moment. */
export class SimulatedPort implements ReplicaPort {
  readonly #engine: SimulatedEngine;
  readonly #behaviours = new Map<string, Behaviour>();
  #met: ReadonlyMap<string, Acquaintance> = new Map();

  constructor(engine: SimulatedEngine) {
    this.#engine = engine;
  }

  /** The replica behaves so from now on. */
  behave(replicaId: string, behaviour: Partial<Behaviour>): void {
    this.#behaviours.set(replicaId, { ...healthy, ...this.#behaviours.get(replicaId), ...behaviour });
  }

  meet(replicas: readonly Acquaintance[]): void {
    this.#met = new Map(replicas.map((acquaintance) => [acquaintance.replica.id, acquaintance]));
  }

  contact(replicaId: string): ReplicaContact {
    const acquaintance = this.#met.get(replicaId);
    if (acquaintance === undefined || !this.#engine.serves(replicaId)) return noContact;
    const { ongoing, completed, failed, answer, reason, silent } = this.#behaviours.get(replicaId) ?? healthy;
    const { replica, deployment } = acquaintance;
    return {
      answer,
      reason,
      load: silent ? undefined : { ongoing, completed, failed, configGeneration: deployment.configGeneration },
      drained: replica.state === "DRAINING" && ongoing === 0 && !silent,
      routable: answer === "ready" && !silent,
      invocable: true,
      services: [],
    };
  }
}
