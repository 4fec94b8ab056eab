import type { Json } from "../core/json.ts";
import { split } from "./contents.ts";
import type { StateChange } from "./store.ts";

/** A value kept as JSON, so that what was written cannot be changed. Its contents are apart. */
export interface KeptJson {
  readonly json: string;
  readonly references: string;
}
export interface KeptObject extends KeptJson {
  readonly version: number;
}
export interface KeptChange extends Omit<StateChange, "value"> {
  /** Undefined: the object was deleted. */
  readonly kept: KeptJson | undefined;
}
export interface RememberedAnswer extends KeptJson {
  readonly fingerprint: string;
  readonly expiresAtMs: number;
}

/** Whether this is the kept answer. */
export function isSame(kept: KeptJson | undefined, answer: Json | undefined): boolean {
  if (kept === undefined || answer === undefined) return false;
  const { json, references } = split(answer);
  return kept.json === json && kept.references === references;
}

/** The order of keys in Redis. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
