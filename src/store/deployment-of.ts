import type { StateChange } from "./store.ts";

/** Kinds whose key is the deployment's name and a number. */
const numbered: ReadonlySet<string> = new Set(["revision", "decision", "config"]);

/** The name of the deployment that a changed record belongs to. */
export function deploymentOf({ kind, key, value }: Pick<StateChange, "kind" | "key" | "value">): string {
  if (numbered.has(kind)) return key.slice(0, key.indexOf("/"));
  if (kind !== "replica") return key;
  // A replica's id is its deployment's name and a random part without a hyphen.
  return (value as { readonly deployment: string } | undefined)?.deployment ?? key.slice(0, key.lastIndexOf("-"));
}
