import type { CallResult, Config, ConfigPhase } from "../core/config-change.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import type { FailureCause, HealthProblem } from "../core/ending.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import type { LoadReport } from "../core/traffic/load.ts";

/** A replica's load as it reported it. */
export interface ReplicaLoad extends LoadReport {
  readonly completed: number;
  readonly failed: number;
}

/** What is known of a replica by talking to it. */
export interface ReplicaContact {
  /** Since when this controller talks to it; undefined: it does not. */
  readonly metAtMs: number | undefined;
  /** As in `SeenReplica`. */
  readonly answer: "unknown" | "ready" | "refused" | "unhealthy";
  readonly problem?: HealthProblem;
  readonly failure?: FailureCause;
  /** Its last report; undefined: none, or the stream that brought it has broken. */
  readonly load: ReplicaLoad | undefined;
  /** The generation of the config it serves by; undefined: not known yet. */
  readonly configGeneration: number | undefined;
  readonly drained: boolean;
  /** Whether it can be given requests now. */
  readonly routable: boolean;
  /** Whether it serves `drover.replica.v1.ReplicaService`: it takes configs, reports its load, and drains when asked. */
  readonly controllable: boolean;
  /** Whether it serves `drover.v1.InvokeService`: methods of its program can be called without a proto. */
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
  /**
   * Talks to exactly these from now on: gives each the config that is committed, checks those that run, drains those that drain. A
   * replica whose address is not known yet is not talked to.
   */
  meet(replicas: readonly Acquaintance[]): void;
  contact(replicaId: string): ReplicaContact;
  /** Gives a replica a config as a step of a change. Never fails; `gone` once the signal aborts. */
  tell(replicaId: string, order: ConfigOrder, signal: AbortSignal): Promise<CallResult>;
}

/** A port that tells when something was learnt. */
export interface LiveReplicaPort extends ReplicaPort {
  /** Calls `listener` with the name of a deployment when something is learnt of one of its replicas; load reports alone do not count. The answer unsubscribes. */
  onChange(listener: (deployment: string) => void): () => void;
  /** Calls `listener` with the requests in work of each load report. The answer unsubscribes. */
  onReport(listener: (replicaId: string, ongoing: number) => void): () => void;
}

/** What is known of a replica that nobody talks to. */
export const noContact: ReplicaContact = {
  metAtMs: undefined,
  answer: "unknown",
  load: undefined,
  configGeneration: undefined,
  drained: false,
  routable: false,
  controllable: false,
  invocable: false,
  services: [],
};
