import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type Pair, type YAMLMap } from "yaml";
import { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import type { Json } from "../core/json.ts";
import { autoscalingOfAuto } from "../program/auto-replicas.ts";
import { fieldHint, type KnownFields } from "../program/field-hint.ts";
import { parseDurationMs, protoDuration } from "../program/parse-duration.ts";
import { inexactNumber, inexactText } from "./exact-json.ts";

/** Bounds of one document, as aliases make a small file large. */
const nodesMax = 100_000;
const levelsMax = 64;

type Fields = Record<string, Json>;
/** The kind of one value of a field. */
type ValueKind = Pick<DescField, "message" | "enum" | "scalar">;

/**
 * Reads a YAML document as proto JSON of a message, and records every problem, and the line of
 * every field.
 */
export class MessageReader {
  /** Each with its line: `7: spec.num_replica: no such field`. */
  readonly problems: { readonly line: number; readonly text: string }[] = [];
  /** The line of each field, by path. */
  readonly lines = new Map<string, number>();
  readonly #document: Document;
  readonly #counter: LineCounter;
  #nodes = 0;
  readonly #aliases = new Map<Alias, unknown>();

  constructor(document: Document, counter: LineCounter) {
    this.#document = document;
    this.#counter = counter;
  }

  /** Proto JSON of the message, which is valid only if there are no problems. */
  read(node: Node, schema: DescMessage, path: string): Json {
    this.lines.set(path, this.#lineOf(node, 1));
    return this.#message(node, schema, path, 0);
  }

  #message(given: unknown, schema: DescMessage, path: string, level: number): Json {
    const node = this.#enter(given, path, level);
    if (schema.typeName === "google.protobuf.Duration") return this.#duration(node, path);
    if (schema.typeName === "google.protobuf.Value") return this.#json(node, path, level);
    if (!isMap(node)) return this.#wrong(node, path, schema.typeName === "google.protobuf.Struct" ? "a JSON object" : "fields with values");
    if (schema.typeName === "google.protobuf.Struct") return this.#json(node, path, level);
    const fields: Fields = {};
    let auto = false;
    const oneofs = new Map<string, string>();
    for (const pair of this.#pairs(node, path, level)) {
      const field = this.#fieldOf(pair, schema, path);
      if (!field) continue;
      const fieldPath = `${path}.${field.name}`;
      const nothing = this.#isNull(pair.value) && field.message?.typeName !== "google.protobuf.Value";
      if (Object.hasOwn(fields, field.name)) this.#report(pair.key, fieldPath, "is set twice");
      else if (!nothing && field.oneof) {
        const other = oneofs.get(field.oneof.name);
        if (other) this.#report(pair.key, fieldPath, `excludes ${other}: give one of them`);
        oneofs.set(field.oneof.name, field.name);
      }
      this.lines.set(fieldPath, this.#lineOf(pair.key, this.lines.get(path) ?? 1));
      if (field === DeploymentSpecSchema.field.numReplicas && isAuto(pair.value)) {
        auto = true;
        continue;
      }
      // In proto JSON null means that a field is not set.
      if (!nothing) fields[field.name] = this.#field(pair.value, field, fieldPath, level + 1);
    }
    if (auto) fields.autoscaling_config = autoscalingOfAuto(fields.autoscaling_config);
    return fields;
  }

  #fieldOf(pair: Pair, schema: DescMessage, path: string): DescField | undefined {
    const name = isScalar(pair.key) ? String(pair.key.value) : "";
    const field = schema.fields.find((known) => known.name === name || known.jsonName === name);
    if (field) return field;
    const spelled = name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
    this.#report(pair.key, `${path}.${name}`, `no such field; ${fieldHint(spelled, knownFields(schema))}`);
    return undefined;
  }

  #field(given: unknown, field: DescField, path: string, level: number): Json {
    if (field.fieldKind === "list") return this.#list(given, field, path, level);
    if (field.fieldKind === "map") return this.#map(given, field, path, level);
    return this.#single(given, field, path, level);
  }

  #list(given: unknown, field: DescField & { fieldKind: "list" }, path: string, level: number): Json {
    const node = this.#enter(given, path, level);
    if (!isSeq(node)) return this.#wrong(node, path, "a list");
    return node.items.map((item, index) => {
      const itemPath = `${path}[${index}]`;
      this.lines.set(itemPath, this.#lineOf(item, this.lines.get(path) ?? 1));
      return this.#single(item, field, itemPath, level + 1);
    });
  }

  #map(given: unknown, field: DescField & { fieldKind: "map" }, path: string, level: number): Json {
    const node = this.#enter(given, path, level);
    if (!isMap(node)) return this.#wrong(node, path, "names with values");
    return this.#entries(node, path, level, (value, entryPath) => this.#single(value, field, entryPath, level + 1), true);
  }

  #single(given: unknown, kind: ValueKind, path: string, level: number): Json {
    if (kind.message) return this.#message(given, kind.message, path, level);
    const node = this.#enter(given, path, level);
    if (kind.enum) return this.#enum(node, kind.enum, path);
    const value = isScalar(node) ? node.value : undefined;
    switch (kind.scalar) {
      case ScalarType.STRING:
        if (typeof value === "string") return this.#text(node, value, path);
        if (isScalar(node) && value !== null)
          return this.#report(node, path, `must be text: put ${node.source ?? String(value)} in quotes`);
        return this.#wrong(node, path, "text");
      case ScalarType.BOOL:
        return typeof value === "boolean" ? value : this.#wrong(node, path, "true or false");
      case ScalarType.INT32:
        return isInteger(value, 2 ** 31 - 1) ? value : this.#wrong(node, path, "a whole number");
      case ScalarType.INT64:
        if (typeof value === "string" && /^-?\d{1,15}$/.test(value)) return value;
        return isInteger(value, Number.MAX_SAFE_INTEGER) ? value : this.#wrong(node, path, "a whole number");
      case ScalarType.DOUBLE:
        return typeof value === "number" && Number.isFinite(value) ? value : this.#wrong(node, path, "a finite number");
      default:
        throw new Error(`${path}: a field of a kind that specs do not have`);
    }
  }

  /** A value by its full name or by its name without the enum's prefix, in upper or lower case. */
  #enum(node: unknown, { values }: DescEnum, path: string): Json {
    const given = isScalar(node) && typeof node.value === "string" ? node.value.toUpperCase() : undefined;
    const found = values.find(({ name, localName }) => name === given || localName === given);
    if (found) return found.name;
    const names = values.filter(({ number }) => number !== 0).map(({ localName }) => localName);
    return this.#wrong(node, path, names.join(" or "));
  }

  #duration(node: unknown, path: string): Json {
    const value = isScalar(node) ? node.value : undefined;
    const ms = typeof value === "string" ? parseDurationMs(value) : undefined;
    return ms === undefined ? this.#wrong(node, path, "a time with its unit, for example 20s, 500ms or 2m") : protoDuration(ms);
  }

  /** Any JSON value. */
  #json(given: unknown, path: string, level: number): Json {
    const node = this.#enter(given, path, level);
    if (isMap(node)) return this.#entries(node, path, level, (value, entryPath) => this.#json(value, entryPath, level + 1), false);
    if (isSeq(node)) return node.items.map((item, index) => this.#json(item, `${path}[${index}]`, level + 1));
    const value = isScalar(node) ? node.value : null;
    if (value === null || typeof value === "boolean") return value;
    if (typeof value === "string") return this.#text(node, value, path);
    return typeof value === "number" && Number.isFinite(value) ? this.#number(node, value, path) : this.#wrong(node, path, "a JSON value");
  }

  #text(node: unknown, value: string, path: string): Json {
    const problem = inexactText(value);
    return problem === undefined ? value : this.#report(node, path, problem);
  }

  #number(node: unknown, value: number, path: string): Json {
    const problem = inexactNumber(value, (isScalar(node) && node.source) || "");
    return problem === undefined ? value : this.#report(node, path, problem);
  }

  #entries(node: YAMLMap, path: string, level: number, read: (value: unknown, path: string) => Json, quoted: boolean): Json {
    // No prototype: `__proto__` is a name like any other.
    const entries = Object.create(null) as Fields;
    for (const { key, value } of this.#pairs(node, path, level)) {
      if (!isScalar(key)) {
        this.#report(key, path, "a name must be text");
        continue;
      }
      const name = String(key.source ?? key.value);
      const problem = inexactText(name);
      if (problem !== undefined) this.#report(key, path, `in a name, ${problem}`);
      const entryPath = quoted ? `${path}[${JSON.stringify(name)}]` : `${path}.${name}`;
      this.lines.set(entryPath, this.#lineOf(key, this.lines.get(path) ?? 1));
      entries[name] = read(value, entryPath);
    }
    return entries;
  }

  /**
   * The names of a mapping with their values, also those that it merges in by `<<`, as YAML 1.1 has
   * it. Its own names hide merged ones; of several mappings the first wins.
   */
  #pairs(node: YAMLMap, path: string, level: number): readonly Pair[] {
    const merges = node.items.filter(isMerge);
    if (merges.length === 0) return node.items;
    const own = node.items.filter((pair) => !isMerge(pair));
    const names = new Set(own.map(({ key }) => nameOf(key)));
    const merged: Pair[] = [];
    for (const { value } of merges) {
      const given = this.#enter(value, path, level + 1);
      for (const source of isSeq(given) ? given.items : [given]) {
        const mapping = source === given ? given : this.#enter(source, path, level + 1);
        if (!isMap(mapping)) this.#wrong(mapping, `${path}.<<`, "a mapping to merge in, or a list of such mappings");
        else
          for (const pair of this.#pairs(mapping, path, level + 1)) {
            if (names.has(nameOf(pair.key))) continue;
            names.add(nameOf(pair.key));
            merged.push(pair);
          }
      }
    }
    return [...merged, ...own];
  }

  /** The node, with aliases resolved. Counts it. */
  #enter(given: unknown, path: string, level: number): unknown {
    const node = isAlias(given) ? this.#resolved(given as Alias) : given;
    this.#nodes += 1;
    if (this.#nodes > nodesMax || level > levelsMax) {
      const bound = level > levelsMax ? `more than ${levelsMax} levels` : `more than ${nodesMax.toLocaleString("en")} values`;
      if (this.#nodes !== Number.POSITIVE_INFINITY) this.#report(given, path, `${bound} (aliases counted)`);
      // Everything after this is read as empty.
      this.#nodes = Number.POSITIVE_INFINITY;
      return undefined;
    }
    if (node === undefined && isAlias(given)) this.#report(given, path, `no anchor &${given.source} comes before it in this document`);
    return node;
  }

  /** What an alias stands for; undefined: nothing. To find that, the library walks through the document. */
  #resolved(alias: Alias): unknown {
    if (!this.#aliases.has(alias)) this.#aliases.set(alias, alias.resolve(this.#document));
    return this.#aliases.get(alias);
  }

  #isNull(node: unknown): boolean {
    return node === null || (isScalar(node) && node.value === null);
  }

  #wrong(node: unknown, path: string, wanted: string): null {
    if (this.#nodes === Number.POSITIVE_INFINITY) return null;
    const is = isMap(node)
      ? "a mapping"
      : isSeq(node)
        ? "a list"
        : isScalar(node) && node.value !== null
          ? JSON.stringify(node.source ?? node.value)
          : "nothing";
    return this.#report(node, path, `must be ${wanted}, not ${is}`);
  }

  #report(node: unknown, path: string, text: string): null {
    this.problems.push({ line: this.#lineOf(node, this.lines.get(path) ?? 1), text: `${path}: ${text}` });
    return null;
  }

  #lineOf(node: unknown, otherwise: number): number {
    const start = (node as Node | null | undefined)?.range?.[0];
    return start === undefined ? otherwise : this.#counter.linePos(start).line;
  }
}

/** Whether the pair merges in another mapping. `"<<"` in quotes is a name like any other. */
function isMerge({ key }: Pair): boolean {
  return isScalar(key) && key.value === "<<" && key.type === "PLAIN";
}

function nameOf(key: unknown): unknown {
  return isScalar(key) ? String(key.source ?? key.value) : key;
}

/** `num_replicas: auto`. */
function isAuto(node: unknown): boolean {
  return isScalar(node) && node.value === "auto";
}

function knownFields({ fields, typeName }: DescMessage): KnownFields {
  if (typeName.startsWith("google.")) return {};
  return Object.fromEntries(
    fields.map(({ name, fieldKind, message }) => [name, fieldKind === "message" && message ? knownFields(message) : {}]),
  );
}

function isInteger(value: unknown, max: number): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) <= max;
}
