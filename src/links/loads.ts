import type { Clock } from "../clock/clock.ts";
import type { BatchCounts } from "../core/traffic/batch-counts.ts";
import { type DeploymentLoad, type GatewayCounts, loadOfDeployment, loadOfReplica, type ReplicaSight } from "../core/traffic/load.ts";
import type { Mirror } from "../store/mirror.ts";
import type { ReplicaContact } from "./replica-port.ts";

/** For a controller without a gateway. */
export const noGateway: GatewayCounts = { queued: () => 0, ongoing: () => 0, ended: () => ({ completed: 0, failed: 0 }) };

/** A replica's counts, as far as they are known. */
export interface ObservedReplica {
  readonly ongoing: number;
  readonly completed: number;
  readonly failed: number;
  /** Undefined: not known yet. */
  readonly configGeneration: number | undefined;
  /** It has said nothing for so long that it gets no requests. */
  readonly silent: boolean;
  /** As in `ReplicaContact` and `ReplicaLoad`. */
  readonly models?: readonly string[] | undefined;
  readonly maxModels?: number | undefined;
  readonly batches?: readonly BatchCounts[] | undefined;
}

export interface LoadsOptions {
  readonly mirror: Mirror;
  readonly contact: (replicaId: string) => ReplicaContact;
  readonly gateways: GatewayCounts;
  readonly clock: Clock;
}

/**
 * The load of replicas and deployments: the only place where replicas' reports and gateways' counts
 * are combined.
 */
export class Loads {
  readonly #options: LoadsOptions;

  constructor(options: LoadsOptions) {
    this.#options = options;
  }

  /** Requests in work at a replica, by what is known of it. Undefined: not known. */
  ongoing(replicaId: string, contact: ReplicaContact): number | undefined {
    return loadOfReplica(sightOf(contact, this.#options.gateways.ongoing(replicaId)));
  }

  /** Undefined: nothing is known of the replica. */
  replica(replicaId: string): ObservedReplica | undefined {
    const { contact, gateways } = this.#options;
    const known = contact(replicaId);
    const ongoing = this.ongoing(replicaId, known);
    if (ongoing === undefined) return undefined;
    // The gateway knows of an ended request before the replica's next report.
    const ended = gateways.ended(replicaId);
    return {
      ongoing,
      completed: Math.max(known.load?.completed ?? 0, ended.completed),
      failed: Math.max(known.load?.failed ?? 0, ended.failed),
      configGeneration: known.configGeneration,
      silent: known.silent,
      models: known.models,
      maxModels: known.maxModels,
      batches: known.load?.batches,
    };
  }

  /**
   * The load of the running replicas. `staleAfterMs`: the age from which a report no longer counts
   * as known; unset: no bound.
   */
  deployment(name: string, staleAfterMs = Number.POSITIVE_INFINITY): DeploymentLoad {
    const { mirror, contact, gateways, clock } = this.#options;
    const running = mirror.replicasOf(name).flatMap(({ key, value }) => (value.state === "RUNNING" ? key : []));
    const sights = running.map((id) => sightOf(contact(id), gateways.ongoing(id)));
    return loadOfDeployment(sights, gateways.queued(name), { nowMs: clock.nowMs(), staleAfterMs });
  }
}

/** `given`: requests in work that gateways sent to the replica. */
export function sightOf({ answer, controllable, load, routable }: ReplicaContact, given: number): ReplicaSight {
  return { reports: answer !== "ready" || controllable, report: load, given, routable };
}
