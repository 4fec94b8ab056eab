import type { CallResult, Config, ConfigPhase } from "../core/config-change.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import type { ReplicaRecord } from "../core/replica.ts";

/** A replica's load as it reported it. */
export interface ReplicaLoad {
  readonly ongoing: number;
  readonly completed: number;
  readonly failed: number;
  readonly configGeneration: number;
  /** When it reported so; 0: it has not yet. */
  readonly atMs: number;
}

/** What is known of a replica by talking to it. */
export interface ReplicaContact {
  /** As in `SeenReplica`. */
  readonly answer: "unknown" | "ready" | "refused" | "unhealthy";
  readonly reason: string;
  /** Its last report; undefined: none, or the stream that brought it has broken. */
  readonly load: ReplicaLoad | undefined;
  /** The generation of the config it serves by; undefined: not known yet. */
  readonly configGeneration: number | undefined;
  readonly drained: boolean;
  /** Whether it can be given requests now. */
  readonly routable: boolean;
  /** Whether it serves `drover.v1.ReplicaService`. */
  readonly invocable: boolean;
  /** The gRPC services of its program. */
  readonly services: readonly string[];
}

/** What to talk to. */
export interface Acquaintance {
  readonly replica: ReplicaRecord;
  readonly deployment: DeploymentRecord;
}

/** A config for a replica. */
export interface ConfigOrder {
  readonly phase: ConfigPhase;
  readonly config: Config;
  /** How long the replica may take. */
  readonly answerMaxMs: number;
}

/** Talks to replicas, so that the loops need not wait for them. */
export interface ReplicaPort {
  /** Talks to exactly these from now on: gives each the config that is committed, checks those that run, drains those that drain. */
  meet(replicas: readonly Acquaintance[]): void;
  contact(replicaId: string): ReplicaContact;
  /** Gives a replica a config as a step of a change. Never fails; `gone` once the signal aborts. */
  tell(replicaId: string, order: ConfigOrder, signal: AbortSignal): Promise<CallResult>;
}

/** What is known of a replica that nobody talks to. */
export const noContact: ReplicaContact = {
  answer: "unknown",
  reason: "",
  load: undefined,
  configGeneration: undefined,
  drained: false,
  routable: false,
  invocable: false,
  services: [],
};
