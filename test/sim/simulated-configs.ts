import type { ConfigPhase, ReplicaConfig } from "../../src/core/config-change.ts";
import { sameJson } from "../../src/core/json.ts";

/** What a replica serves by. */
interface Held {
  readonly generation: number;
  /** As JSON; empty: none was ever given. */
  readonly json: string;
  /** A config was half taken: what it serves by is not known to itself. */
  readonly dirty: boolean;
  /** The highest epoch that it was called in. */
  readonly epoch: number;
}

const none: Held = { generation: 0, json: "", dirty: false, epoch: 0 };

export type Taking = "taken" | "refused" | "stale";

/**
 * The configs that replicas serve with, from any caller: each by the rules of
 * `ReplicaService.Reconfigure`.
 */
export class SimulatedConfigs {
  readonly #held = new Map<string, Held>();

  of(replicaId: string): Held {
    return this.#held.get(replicaId) ?? none;
  }

  /** What a replica does when it is called. `fails`: its program refuses, or throws half-way. */
  call(replicaId: string, phase: ConfigPhase, config: ReplicaConfig, epoch: number, fails: boolean): Taking {
    const held = this.of(replicaId);
    if (epoch < held.epoch) return "stale";
    this.#held.set(replicaId, { ...held, epoch });
    const nothingToDo = phase === "APPLY" ? config.generation <= held.generation : config.generation === held.generation && !held.dirty;
    if (phase === "PREPARE") return fails ? "refused" : "taken";
    if (nothingToDo) return "taken";
    const json = jsonOf(config);
    const same = !held.dirty && sameJson(held.json, json);
    if (fails && !same) {
      this.#held.set(replicaId, { ...held, epoch, dirty: true });
      return "refused";
    }
    this.#held.set(replicaId, { generation: config.generation, json, dirty: false, epoch });
    return "taken";
  }

  /** Whether a replica serves by this config, and knows it. */
  serves(replicaId: string, config: ReplicaConfig): boolean {
    const { json, dirty } = this.of(replicaId);
    return json === jsonOf(config) && !dirty;
  }
}

function jsonOf({ userConfig, maxOngoingRequests }: ReplicaConfig): string {
  return JSON.stringify([userConfig, maxOngoingRequests]);
}
