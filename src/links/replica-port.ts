import type { CallResult, ConfigPhase, ReplicaConfig } from "../core/config-change.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import type { FailureCause, HealthProblem } from "../core/ending.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import type { BatchCounts } from "../core/traffic/batch-counts.ts";
import type { LoadReport } from "../core/traffic/load.ts";

/** A replica's own report of its load. */
export interface ReplicaLoad extends LoadReport {
  readonly completed: number;
  readonly failed: number;
  /** What its methods have done in batches. Absent: none. */
  readonly batches?: readonly BatchCounts[];
}

/** What is known of a replica from its connection. */
export interface ReplicaContact {
  /** Since when this controller connects to it. Undefined: it does not. */
  readonly contactSinceMs: number | undefined;
  /** As in `SeenReplica`. */
  readonly answer: "unknown" | "ready" | "refused" | "unhealthy";
  readonly problem?: HealthProblem;
  readonly failure?: FailureCause;
  /** The last report. Undefined: none, or the stream of reports broke. */
  readonly load: ReplicaLoad | undefined;
  /** The generation of its config. Undefined: not known yet. */
  readonly configGeneration: number | undefined;
  readonly drained: boolean;
  /** Whether requests can be sent to it now. */
  readonly routable: boolean;
  /** It has said nothing for so long that it gets no requests, until it is heard again. */
  readonly silent: boolean;
  /**
   * Whether it serves `drover.replica.v1.ReplicaService`: it takes configs, reports its load, and
   * drains when asked.
   */
  readonly controllable: boolean;
  /**
   * Whether it serves `drover.v1.InvokeService`: the program's methods can be called without a
   * proto.
   */
  readonly invocable: boolean;
  /** The gRPC services of its program. */
  readonly services: readonly string[];
  /** The models that it has loaded or is loading, and how many it holds. Absent: it reports none. */
  readonly models?: readonly string[] | undefined;
  readonly maxModels?: number | undefined;
}

/** The records of a replica to connect to. */
export interface LinkedReplica {
  readonly replica: ReplicaRecord;
  readonly deployment: DeploymentRecord;
}

/** A config for a replica. */
export interface ConfigOrder {
  readonly phase: ConfigPhase;
  readonly config: ReplicaConfig;
  /** How long the replica may take. */
  readonly answerMaxMs: number;
}

/** Talks to replicas, so that the loops need not wait for them. */
export interface ReplicaPort {
  /**
   * Connects to exactly these replicas from now on: keeps each at the committed config, checks
   * RUNNING ones, drains DRAINING ones. A replica without a known address is skipped.
   */
  connect(replicas: readonly LinkedReplica[]): void;
  /** Drains a connected replica, whatever its record says. */
  drain(replicaId: string): void;
  contact(replicaId: string): ReplicaContact;
  /**
   * Calls a replica with a config, as a step of a change. Never fails; `gone` once the signal
   * aborts.
   */
  giveConfig(replicaId: string, order: ConfigOrder, signal: AbortSignal): Promise<CallResult>;
}

/** A port that reports when something was learnt. */
export interface LiveReplicaPort extends ReplicaPort {
  /**
   * Calls `listener` with a deployment's name when something is learnt of one of its replicas,
   * other than its load. Returns the function that unsubscribes.
   */
  onChange(listener: (deployment: string) => void): () => void;
  /**
   * Calls `listener` with the requests in work of each load report. Returns the function that
   * unsubscribes.
   */
  onReport(listener: (replicaId: string, ongoing: number) => void): () => void;
}

/** What is known of a replica without a connection. */
export const noContact: ReplicaContact = {
  contactSinceMs: undefined,
  answer: "unknown",
  load: undefined,
  configGeneration: undefined,
  drained: false,
  routable: false,
  silent: false,
  controllable: false,
  invocable: false,
  services: [],
};
