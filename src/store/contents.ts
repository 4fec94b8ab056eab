import { createHash } from "node:crypto";
import type { Pace } from "../clock/breathe.ts";
import type { Json } from "../core/json.ts";
import { contentLengthMin, overheadBytes } from "./bounds.ts";

/**
 * A large value of a record or an answer, such as a `user_config`. It is kept once, by its digest,
 * however many records, changes and answers refer to it.
 */
export interface Content {
  /** The SHA-256 of its JSON, base64url. */
  readonly digest: string;
  readonly value: Json;
}

/** A record or an answer, split for storage. */
export interface Parts {
  /** The record without its contents, as JSON. */
  readonly json: string;
  /** Where each content belongs: `path=digest`, separated by commas. Empty: there are none. */
  readonly references: string;
  readonly contents: readonly Content[];
}

/** Digests by value: values are never changed, and most are written again and again. */
const digests = new WeakMap<object, string>();

/**
 * Splits a record or an answer. Contents are the large fields of a spec, and a large `userConfig`
 * of any object: these stay equal while the rest of a record changes.
 */
export function split(whole: unknown): Parts {
  const steps = splitting(whole);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** As {@link split}, for what may be large: everything else of this process goes on in between. */
export async function splitInParts(whole: unknown, pace: Pace): Promise<Parts> {
  const steps = splitting(whole);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await pace();
  }
}

/** One step for each field that may be a content. */
function* splitting(whole: unknown): Generator<void, Parts> {
  const found: { readonly path: string; readonly content: Content }[] = [];
  const rest = yield* without(whole as Json, "", "", found);
  return {
    json: JSON.stringify(rest),
    references: found.map(({ path, content }) => `${path}=${content.digest}`).join(","),
    contents: found.map(({ content }) => content),
  };
}

function* without(value: Json, name: string, path: string, found: { path: string; content: Content }[]): Generator<void, Json> {
  if (typeof value !== "object" || value === null) return value;
  let copy: Record<string, Json> | undefined;
  for (const [field, inner] of Object.entries(value as Readonly<Record<string, Json>>)) {
    // Our own fields and indexes only; names that users choose are inside of contents.
    if (!/^\w+$/.test(field)) continue;
    const at = path === "" ? field : `${path}.${field}`;
    const mayBeContent = name === "spec" || field === "userConfig";
    const content = mayBeContent ? contentOf(inner) : undefined;
    if (mayBeContent) yield;
    const rest = mayBeContent ? inner : yield* without(inner, field, at, found);
    if (content !== undefined) found.push({ path: at, content });
    if (content === undefined && rest === inner) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, Json>;
    if (content === undefined) copy[field] = rest;
    else delete copy[field];
  }
  return (copy as Json | undefined) ?? value;
}

/** Undefined: the value is not large. */
function contentOf(value: Json): Content | undefined {
  if (typeof value !== "object" || value === null) {
    return typeof value === "string" && value.length >= contentLengthMin ? { digest: digestOf(JSON.stringify(value)), value } : undefined;
  }
  const known = digests.get(value);
  if (known !== undefined) return { digest: known, value };
  const json = JSON.stringify(value);
  if (json.length < contentLengthMin) return undefined;
  const digest = digestOf(json);
  digests.set(value, digest);
  return { digest, value };
}

const digestOf = (json: string): string => createHash("sha256").update(json).digest("base64url");

/** What a change or an answer counts towards its bound, without its contents. Undefined: of a deleted object. */
export function keptBytes(key: string, kept: Pick<Parts, "json" | "references"> | undefined): number {
  return Buffer.byteLength(key) + Buffer.byteLength(kept?.json ?? "") + (kept?.references ?? "").length + overheadBytes;
}

/** The digests that references name. */
export function digestsIn(references: string): readonly string[] {
  return references === "" ? [] : references.split(",").map((one) => one.slice(one.indexOf("=") + 1));
}

/** The whole of what {@link split} split. Undefined: a content is missing. */
export function joined<T>(json: string, references: string, contents: { get(digest: string): Json | undefined }): T | undefined {
  const whole = JSON.parse(json);
  if (references === "") return whole;
  for (const one of references.split(",")) {
    const [path = "", digest = ""] = one.split("=");
    const value = contents.get(digest);
    if (value === undefined) return undefined;
    const names = path.split(".");
    const last = names.pop() as string;
    let holder = whole;
    for (const name of names) holder = holder[name];
    holder[last] = value;
  }
  return whole;
}

/** The value of a content that was read. Equal contents that are in use are one value. */
export class ContentCache {
  readonly #values = new Map<string, WeakRef<object>>();
  readonly #unused = new FinalizationRegistry<string>((digest) => {
    if (this.#values.get(digest)?.deref() === undefined) this.#values.delete(digest);
  });

  /** Undefined: it is not in use. */
  get(digest: string): Json | undefined {
    return this.#values.get(digest)?.deref() as Json | undefined;
  }

  read(digest: string, json: string): Json {
    const value = JSON.parse(json) as Json;
    if (typeof value !== "object" || value === null) return value;
    digests.set(value, digest);
    this.#values.set(digest, new WeakRef(value));
    this.#unused.register(value, digest);
    return value;
  }
}
