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
  /** Since when it answers nothing; undefined: it does. Who knew it before finds it unhealthy, who did not learns nothing of it. */
  readonly hangsSinceMs: number | undefined;
  /** Its load stream is broken: nothing is known of its load, and it gets no requests. */
  readonly silent: boolean;
  /** What it reports while its reports come late; undefined: they do not. */
  readonly lateOngoing: number | undefined;
}

const healthy: Behaviour = {
  ongoing: 0,
  completed: 0,
  failed: 0,
  answer: "ready",
  reason: "",
  hangsSinceMs: undefined,
  silent: false,
  lateOngoing: undefined,
};

/** How all replicas behave, whoever talks to them. */
export class Behaviours {
  readonly #behaviours = new Map<string, Behaviour>();

  of(replicaId: string): Behaviour {
    return this.#behaviours.get(replicaId) ?? healthy;
  }

  /** The replica behaves so from now on. */
  set(replicaId: string, behaviour: Partial<Behaviour>): void {
    this.#behaviours.set(replicaId, { ...this.of(replicaId), ...behaviour });
  }
}

/** Talks to the processes of a simulated engine, which answer at once: what the port says is so at this moment. */
export class SimulatedPort implements ReplicaPort {
  readonly #engine: SimulatedEngine;
  readonly #behaviours: Behaviours;
  /** Whether it has heard of a replica that it met. */
  readonly #heardFrom: (replicaId: string) => boolean;
  #met: ReadonlyMap<string, Acquaintance> = new Map();
  /** Those that it has heard of: what they answered last stands, also where nobody is there any more. */
  #heard: ReadonlySet<string> = new Set();

  constructor(engine: SimulatedEngine, behaviours = new Behaviours(), heardFrom: (replicaId: string) => boolean = () => true) {
    this.#engine = engine;
    this.#behaviours = behaviours;
    this.#heardFrom = heardFrom;
  }

  /** The replica behaves so from now on. */
  behave(replicaId: string, behaviour: Partial<Behaviour>): void {
    this.#behaviours.set(replicaId, behaviour);
  }

  meet(replicas: readonly Acquaintance[]): void {
    this.#met = new Map(replicas.map((acquaintance) => [acquaintance.replica.id, acquaintance]));
    this.#heard = new Set([...this.#met.keys()].filter((id) => this.#heard.has(id) || this.#hears(id)));
  }

  #hears(replicaId: string): boolean {
    return this.#engine.serves(replicaId) && this.#heardFrom(replicaId);
  }

  contact(replicaId: string): ReplicaContact {
    const acquaintance = this.#met.get(replicaId);
    if (acquaintance === undefined) return noContact;
    if (!this.#hears(replicaId))
      return this.#heard.has(replicaId) ? { ...noContact, answer: this.#behaviours.of(replicaId).answer } : noContact;
    const { ongoing, completed, failed, answer, reason, silent, lateOngoing } = this.#behaviours.of(replicaId);
    const { replica, deployment } = acquaintance;
    return {
      answer,
      reason,
      load: silent ? undefined : { ongoing: lateOngoing ?? ongoing, completed, failed, configGeneration: deployment.configGeneration },
      drained: replica.state === "DRAINING" && ongoing === 0 && !silent,
      routable: answer === "ready" && !silent,
      invocable: true,
      services: [],
    };
  }
}
