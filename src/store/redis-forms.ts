import type { Kind, StateChange } from "./store.ts";

/** A record or an answer as Redis has it. Its contents are apart. */
export interface StoredJson {
  readonly json: string;
  readonly references: string;
}

export interface StoredObject extends StoredJson {
  readonly version: number;
}

/** An object is stored as its version, its references if it has some, and its JSON. */
export function partsOf(kept: string): StoredObject {
  const space = kept.indexOf(" ");
  const json = kept.indexOf("{", space);
  return {
    version: Number(kept.slice(0, space)),
    references: kept.slice(space + 1, Math.max(space + 1, json - 1)),
    json: kept.slice(json),
  };
}

export interface StoredChange extends Omit<StateChange, "value"> {
  /** Undefined: the object was deleted. */
  readonly stored: StoredJson | undefined;
  readonly at: string;
}

export function storedChange(id: string, flat: readonly string[]): StoredChange {
  const fields = new Map(pairs(flat));
  const json = fields.get("value");
  const stored = json === undefined ? undefined : { json, references: fields.get("contents") ?? "" };
  const kind = fields.get("kind") as Kind;
  return { position: Number.parseInt(id, 10), kind, key: fields.get("key") ?? "", stored, at: fields.get("at") ?? "" };
}

export function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1] as string]);
}
