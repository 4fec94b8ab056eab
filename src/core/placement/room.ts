import { holds, type ReplicaRecord } from "../replica.ts";
import type { Capacity } from "../resources.ts";

/** The part that decides where a replica runs. */
export type Room =
  /** Core decides: no more starts on this node than fits its capacity. */
  | { readonly kind: "ledger"; readonly node: string; readonly capacity: Capacity }
  /**
   * The engine decides: a replica is handed over at once, and is PENDING until the engine has
   * placed it.
   */
  | { readonly kind: "engine" };

/** The nodes of which every replica is listed. */
export type Coverage = "all" | ReadonlySet<string>;

/**
 * A replica's process. `none`: it never existed, or was removed. `unknown`: the replica's node was
 * not observed.
 */
export type ProcessState = "none" | "waiting" | "alive" | "exited" | "unknown";

/**
 * The state of a process. `node`: the node in the replica's record. `seen`: its state in a listing
 * with this coverage; undefined: not listed.
 */
export function processOf(node: string | undefined, seen: "waiting" | "alive" | "exited" | undefined, coverage: Coverage): ProcessState {
  if (seen !== undefined) return seen;
  // A replica without a node was never placed, so it runs nowhere.
  return coverage === "all" || node === undefined || coverage.has(node) ? "none" : "unknown";
}

/**
 * The replicas that use the ledger's node. A replica without a node was started by a version that
 * knew only one node.
 */
export function usingLedger<R extends { readonly node?: string }>(replicas: readonly R[], room: Room): readonly R[] {
  return room.kind === "ledger" ? replicas.filter(({ node }) => node === undefined || node === room.node) : [];
}

/** The replicas on nodes other than the ledger's. An engine that places replicas sees all of its nodes. */
export function unseenReplicas<R extends Pick<ReplicaRecord, "node" | "state">>(replicas: readonly R[], room: Room): readonly R[] {
  if (room.kind === "engine") return [];
  return replicas.filter(({ node, state }) => holds(state) && node !== undefined && node !== room.node);
}
