import type { Capacity } from "../resources.ts";

/** Who decides where a replica runs. */
export type Room =
  /** Core does: it starts on this node no more than fits its capacity. */
  | { readonly kind: "ledger"; readonly node: string; readonly capacity: Capacity }
  /** The engine does: a replica is handed to it at once, and is PENDING until the engine has placed it. */
  | { readonly kind: "engine" };

/** The nodes of which every replica is seen. */
export type Coverage = "all" | ReadonlySet<string>;

/** What a replica's process is: `none` has never been, or is forgotten; `unknown`: nobody has looked where it was placed. */
export type ProcessState = "none" | "waiting" | "alive" | "exited" | "unknown";

/** The process of a replica whose record names `node`, and which a look of that coverage found in the state `seen`. */
export function processOf(node: string | undefined, seen: "waiting" | "alive" | "exited" | undefined, coverage: Coverage): ProcessState {
  if (seen !== undefined) return seen;
  // A replica without a node was never placed, and so is nowhere.
  return coverage === "all" || node === undefined || coverage.has(node) ? "none" : "unknown";
}

/** Those of `replicas` that use the ledger's node. One without a node was started by a version that knew only one. */
export function usingLedger<R extends { readonly node?: string }>(replicas: readonly R[], room: Room): readonly R[] {
  return room.kind === "ledger" ? replicas.filter(({ node }) => node === undefined || node === room.node) : [];
}
