import type { Preparation } from "../../core/ending.ts";
import { BuildError } from "./environments.ts";
import { isShortage } from "./shortage.ts";

/** An installation for a replica that waits for room. */
export interface Installation {
  preparation: Preparation;
  askedAtMs: number;
  readonly abort: AbortController;
}

export function failureOf(cause: unknown): Extract<Preparation, { kind: "failed" }> {
  if (cause instanceof BuildError) {
    const { problem, freeBytes, lines } = cause;
    return { kind: "failed", ending: { kind: "packagesFailed", problem, freeBytes }, lines };
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  const shortage = isShortage(cause) ? { shortage: true as const } : {};
  return { kind: "failed", ending: { kind: "failedToStart", why, ...shortage }, lines: [] };
}
