import type { Json } from "../core/json.ts";

/** A JSON text holds a value that would change on its way; the message has its path. */
export class InexactJson extends Error {}

/** Up to here, a double holds every whole number; the SDK for Python has the same bound. */
const wholeMax = 2n ** 53n;

/** A value that would change. */
class Inexact {
  readonly what: string;

  constructor(what: string) {
    this.what = what;
  }
}

/**
 * Parses JSON as `JSON.parse` does. Throws an {@link InexactJson} for what a double or UTF-8 cannot
 * hold: whole numbers beyond ±2^53, numbers that are infinite, and halves of surrogate pairs; and for
 * a name that an object has twice, of which one value would be lost. `root` stands before the path of
 * the value.
 */
export function parseExactJson(text: string, root: string): Json {
  const value = JSON.parse(text, markInexact as never) as Json | Inexact;
  const found = findInexact(value, root) ?? findRepeated(text, root);
  if (found !== undefined) throw new InexactJson(found);
  return value as Json;
}

/** Why a number would change, by its text; undefined: it would not. */
export function inexactNumber(value: number, source: string): string | undefined {
  if (!Number.isFinite(value)) return `${source} is larger than any number of JSON here (about 1.8e308)`;
  const [digits] = /^(0[xo][0-9a-f]+|[0-9]+)$/i.exec(source.replace(/^[-+]/, "")) ?? [];
  if (digits === undefined || Number.isSafeInteger(value) || BigInt(digits) <= wholeMax) return undefined;
  return `${source} is a whole number beyond ±2^53, which would change: give it as text`;
}

/** Why a text would change; undefined: it would not. */
export function inexactText(text: string): string | undefined {
  return text.isWellFormed() ? undefined : "it holds half of a surrogate pair, which UTF-8 cannot hold";
}

/** Node gives a reviver the source of the value; the types of TypeScript do not have it yet. */
type Reviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown;

const markInexact: Reviver = (_key, value, { source = "" }) => {
  const what = typeof value === "number" ? inexactNumber(value, source) : typeof value === "string" ? inexactText(value) : undefined;
  return what === undefined ? value : new Inexact(what);
};

function findInexact(value: unknown, path: string): string | undefined {
  if (value instanceof Inexact) return `${path}: ${value.what}`;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const wrongName = inexactText(name);
    const found = wrongName === undefined ? findInexact(inner, pathOf(value, path, name)) : `${path}: in a name, ${wrongName}`;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Strings, with the colon behind a name, and what else gives JSON its structure. */
const tokens = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}[\],]/g;

/** `text` is valid JSON. */
function findRepeated(text: string, root: string): string | undefined {
  const around: { readonly names: Set<string> | undefined; step: string | number }[] = [];
  for (const [token, string = "", colon] of text.matchAll(tokens)) {
    const inner = around.at(-1);
    if (token === "{" || token === "[") around.push(token === "{" ? { names: new Set(), step: "" } : { names: undefined, step: 0 });
    else if (token === "}" || token === "]") around.pop();
    else if (token === "," && typeof inner?.step === "number") inner.step += 1;
    else if (colon !== undefined && inner?.names !== undefined) {
      const name = JSON.parse(string) as string;
      inner.step = name;
      if (inner.names.has(name)) {
        const path = around.reduce((outer, { step }) => outer + (typeof step === "number" ? `[${step}]` : `.${step}`), root);
        return `${path}: the name comes twice in its object: give it once`;
      }
      inner.names.add(name);
    }
  }
  return undefined;
}

function pathOf(value: object, path: string, name: string): string {
  return Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`;
}
