import type { CallContext } from "../rpc/service.ts";

const authorCharsMax = 200;

/** Who calls, by what they say of themselves; empty: nothing. */
export function authorOf({ metadata }: CallContext): string {
  return String(metadata.get("drover-author")[0] ?? "").slice(0, authorCharsMax);
}
