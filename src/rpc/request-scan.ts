import type { DescMessage } from "@bufbuild/protobuf";
import { breathe } from "../clock/breathe.ts";
import type { FieldViolation } from "../core/errors.ts";
import { jsonLevelsMax } from "../core/json.ts";
import { type RequestBounds, settingsMax, unknownFieldsMax } from "./request-bounds.ts";
import { type FieldPlan, type JsonKind, type MessagePlan, planOf, wireTypes } from "./wire-plan.ts";

/** What a scan found: the first thing that is wrong, or where the message may be cut. */
export type Scanned = { readonly wrong: FieldViolation } | { readonly wrong?: undefined; readonly cuts: readonly number[] };

/** Fields between two cuts, at least: about 1 ms of decoding. */
const cutFields = 2_000;
/** Cuts after which everything else of this process goes on: about 3 ms of scanning. */
const cutsPerBreath = 10;
/** Groups within groups that are still read, as the decoder does. */
const groupLevelsMax = 64;

/**
 * Reads the bytes of a request, without decoding them, and checks its counts: the items of lists
 * and the entries of maps by the rules of its proto, all fields and JSON values by `bounds`, and the
 * levels of JSON. A Struct must not hold what is no JSON: the decoder would say so without the path.
 * The scan ends at the first thing that is wrong.
 */
export async function scanRequest(schema: DescMessage, bytes: Uint8Array, bounds: RequestBounds): Promise<Scanned> {
  const scan = new RequestScan(bytes, bounds);
  try {
    const wrong = await scan.request(planOf(schema));
    return wrong === undefined ? { cuts: scan.cuts } : { wrong };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { wrong: { field: "", description: `not a ${schema.typeName}: ${error.message}` } };
  }
}

/** Bytes that are no protobuf. */
class Malformed extends Error {}

/** How often a message has its fields so far. */
interface Counts {
  /** By the index of the field. */
  readonly known: number[];
  unknown: number;
}

const countsOf = ({ fields }: MessagePlan): Counts => ({ known: new Array<number>(fields.size).fill(0), unknown: 0 });

class RequestScan {
  /** Places between two fields of the outermost message. */
  readonly cuts: number[] = [];
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #bounds: RequestBounds;
  #pos = 0;
  #fields = 0;
  #jsonValues = 0;
  #fieldsAtCut = 0;
  /** Whether it is in a Struct, which is decoded to JSON at once. */
  #inStruct = false;

  constructor(bytes: Uint8Array, bounds: RequestBounds) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#bounds = bounds;
  }

  /** Scans the whole message, and cuts it. Only its own fields may be many: all others are counted. */
  async request(plan: MessagePlan): Promise<FieldViolation | undefined> {
    const end = this.#bytes.length;
    const counts = countsOf(plan);
    while (this.#pos < end) {
      const wrong = this.#next(plan, end, counts);
      if (wrong !== undefined) return wrong;
      if (this.#fields - this.#fieldsAtCut < cutFields || this.#pos === end) continue;
      this.#fieldsAtCut = this.#fields;
      this.cuts.push(this.#pos);
      if (this.cuts.length % cutsPerBreath === 0) await breathe();
    }
    return undefined;
  }

  #message(plan: MessagePlan, end: number): FieldViolation | undefined {
    const counts = countsOf(plan);
    while (this.#pos < end) {
      const wrong = this.#next(plan, end, counts);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** The next field of a message. */
  #next({ typeName, fields }: MessagePlan, end: number, counts: Counts): FieldViolation | undefined {
    const tag = this.#tag(end);
    if (tag === undefined) return tooManyFields(this.#bounds);
    const field = fields.get(tag >>> 3);
    if (field !== undefined) return this.#field(field, tag & 7, end, counts.known);
    counts.unknown += 1;
    if (counts.unknown > unknownFieldsMax) {
      return {
        field: "",
        description: `more than ${unknownFieldsMax} fields are not known to this server: the client is newer, or this is no ${typeName}`,
      };
    }
    this.#skip(tag, end, 0);
    return undefined;
  }

  #field(field: FieldPlan, wireType: number, end: number, counts: number[]): FieldViolation | undefined {
    const { name, index, packedType } = field;
    const countMax = field.countMax ?? this.#bounds.itemsMax;
    const packed = packedType !== undefined && wireType === wireTypes.bytes;
    if (wireType !== field.wireType && !packed) throw new Malformed(`${name} has the wire type ${wireType}, and not ${field.wireType}`);
    const before = counts[index] ?? 0;
    const begin = this.#pos;
    const items = packed ? this.#packedItems(packedType, end) : 1;
    counts[index] = before + items;
    if (counts[index] > countMax) return { field: name, description: tooMany(field, countMax) };
    if (packed) {
      this.#fields += items;
      return undefined;
    }
    if (wireType !== wireTypes.bytes || field.inner === undefined) {
      this.#skip(wireType, end, 0);
      return undefined;
    }
    const innerEnd = this.#length(end);
    this.#inStruct = field.inner === "struct";
    const wrong = typeof field.inner === "string" ? this.#json(field.inner, innerEnd, 0) : this.#message(field.inner, innerEnd);
    if (wrong === undefined) return undefined;
    if (field.isMap)
      return within(`${name}[${JSON.stringify(this.#keyIn(begin, innerEnd))}]`, { ...wrong, field: wrong.field.replace(/^value\.?/, "") });
    return within(field.isList ? `${name}[${before}]` : name, wrong);
  }

  #json(kind: JsonKind, end: number, level: number): FieldViolation | undefined {
    switch (kind) {
      case "value":
        return this.#jsonValue(end, level);
      case "struct":
        return this.#jsonMembers(end, level);
      case "list":
        return this.#jsonItems(end, level);
    }
  }

  #jsonValue(end: number, level: number): FieldViolation | undefined {
    if (!this.#countJson()) return tooManyValues(this.#bounds);
    let kinds = 0;
    while (this.#pos < end) {
      const tag = this.#tag(end);
      if (tag === undefined) return tooManyFields(this.#bounds);
      if (++kinds > settingsMax) return { field: "", description: `is set more than ${settingsMax} times` };
      if (tag === numberTag) {
        this.#need(8, end);
        const number = this.#view.getFloat64(this.#pos, true);
        if (this.#inStruct && !Number.isFinite(number)) return { field: "", description: `is not JSON: it holds ${number}` };
        this.#pos += 8;
      } else if (tag === structTag || tag === listTag) {
        // An object or a list costs about twice as much as another value.
        if (!this.#countJson()) return tooManyValues(this.#bounds);
        const wrong = this.#json(tag === structTag ? "struct" : "list", this.#length(end), level);
        if (wrong !== undefined) return wrong;
      } else if (tag === nullTag || tag === boolTag || tag === textTag) this.#skip(tag, end, 0);
      else throw new Malformed(`a google.protobuf.Value has the field ${tag >>> 3} of the wire type ${tag & 7}`);
    }
    return this.#inStruct && kinds === 0
      ? { field: "", description: "is a google.protobuf.Value with nothing set: set null_value for null" }
      : undefined;
  }

  #countJson(): boolean {
    this.#jsonValues += 1;
    return this.#jsonValues <= this.#bounds.jsonValuesMax;
  }

  #jsonMembers(end: number, level: number): FieldViolation | undefined {
    if (level === jsonLevelsMax) return tooDeep;
    while (this.#pos < end) {
      const tag = this.#tag(end);
      if (tag === undefined) return tooManyFields(this.#bounds);
      if (tag !== firstTag) throw new Malformed(`a google.protobuf.Struct has the field ${tag >>> 3} of the wire type ${tag & 7}`);
      const begin = this.#pos;
      const wrong = this.#jsonMember(this.#length(end), level);
      if (wrong !== undefined) return within(`.${this.#keyIn(begin, end)}`, wrong);
    }
    return undefined;
  }

  #jsonMember(end: number, level: number): FieldViolation | undefined {
    let keys = 0;
    let values = 0;
    while (this.#pos < end) {
      const tag = this.#tag(end);
      if (tag === undefined) return tooManyFields(this.#bounds);
      if (tag === firstTag) {
        keys += 1;
        this.#skip(tag, end, 0);
      } else if (tag === secondTag) {
        values += 1;
        const wrong = this.#jsonValue(this.#length(end), level + 1);
        if (wrong !== undefined) return wrong;
      } else throw new Malformed(`an entry of a google.protobuf.Struct has the field ${tag >>> 3} of the wire type ${tag & 7}`);
      if (keys > settingsMax || values > settingsMax) return { field: "", description: `is set more than ${settingsMax} times` };
    }
    return this.#inStruct && values === 0
      ? { field: "", description: "is a google.protobuf.Value with nothing set: set null_value for null" }
      : undefined;
  }

  #jsonItems(end: number, level: number): FieldViolation | undefined {
    if (level === jsonLevelsMax) return tooDeep;
    for (let index = 0; this.#pos < end; index++) {
      const tag = this.#tag(end);
      if (tag === undefined) return tooManyFields(this.#bounds);
      if (tag !== firstTag) throw new Malformed(`a google.protobuf.ListValue has the field ${tag >>> 3} of the wire type ${tag & 7}`);
      const wrong = this.#jsonValue(this.#length(end), level + 1);
      if (wrong !== undefined) return within(`[${index}]`, wrong);
    }
    return undefined;
  }

  /** The next tag; undefined: there are too many fields. */
  #tag(end: number): number | undefined {
    if (++this.#fields > this.#bounds.fieldsMax) return undefined;
    const tag = this.#varint(end);
    if (tag >>> 3 === 0) throw new Malformed("a field has the number 0");
    return tag;
  }

  /** The lower 32 bits of a varint. */
  #varint(end: number): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#pos >= end) throw new Malformed("it ends in the middle of a field");
      const byte = this.#bytes[this.#pos++] as number;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new Malformed("a number is longer than 64 bits");
  }

  /** Reads a length, and returns where the bytes after it end. */
  #length(end: number): number {
    const length = this.#varint(end);
    this.#need(length, end);
    return this.#pos + length;
  }

  #need(bytes: number, end: number): void {
    if (bytes > end - this.#pos) throw new Malformed("it ends in the middle of a field");
  }

  #skip(tag: number, end: number, groupLevel: number): void {
    switch (tag & 7) {
      case wireTypes.varint:
        this.#varint(end);
        return;
      case wireTypes.bits64:
        this.#need(8, end);
        this.#pos += 8;
        return;
      case wireTypes.bits32:
        this.#need(4, end);
        this.#pos += 4;
        return;
      case wireTypes.bytes:
        this.#pos = this.#length(end);
        return;
      case wireTypes.group:
        this.#skipGroup(end, groupLevel);
        return;
      default:
        throw new Malformed(`a field has the wire type ${tag & 7}`);
    }
  }

  #skipGroup(end: number, level: number): void {
    if (level === groupLevelsMax) throw new Malformed(`it has more than ${groupLevelsMax} groups within each other`);
    for (;;) {
      const tag = this.#tag(end);
      if (tag === undefined) throw new Malformed(`it has more than ${this.#bounds.fieldsMax} fields`);
      if ((tag & 7) === wireTypes.endOfGroup) return;
      this.#skip(tag, end, level + 1);
    }
  }

  #packedItems(wireType: number, end: number): number {
    const itemsEnd = this.#length(end);
    const begin = this.#pos;
    this.#pos = itemsEnd;
    if (wireType === wireTypes.bits64) return (itemsEnd - begin) / 8;
    if (wireType === wireTypes.bits32) return (itemsEnd - begin) / 4;
    let items = 0;
    for (let at = begin; at < itemsEnd; at++) if ((this.#bytes[at] as number) < 0x80) items += 1;
    return items;
  }

  /** The key of the map's entry whose length is at `begin`, for a path; a number as its text. */
  #keyIn(begin: number, end: number): string {
    this.#pos = begin;
    const entryEnd = this.#length(end);
    while (this.#pos < entryEnd) {
      const tag = this.#varint(entryEnd);
      if (tag === firstTag) {
        const keyEnd = this.#length(entryEnd);
        return new TextDecoder().decode(this.#bytes.subarray(this.#pos, Math.min(keyEnd, this.#pos + keyShownMax)));
      }
      if (tag >>> 3 === 1) return String(this.#varint(entryEnd));
      this.#skip(tag, entryEnd, 0);
    }
    return "";
  }
}

/** The most bytes of a key that a path shows. */
const keyShownMax = 60;
const [firstTag, secondTag] = [0x0a, 0x12];
const [nullTag, numberTag, textTag, boolTag, structTag, listTag] = [0x08, 0x11, 0x1a, 0x20, 0x2a, 0x32];

const tooDeep: FieldViolation = { field: "", description: `must have at most ${jsonLevelsMax} levels of JSON objects and lists` };

function tooManyFields({ fieldsMax }: RequestBounds): FieldViolation {
  return { field: "", description: `a request may set ${fieldsMax} fields at most, with those of the messages in it` };
}

function tooManyValues({ jsonValuesMax, jsonRemedy }: RequestBounds): FieldViolation {
  const remedy = jsonRemedy === undefined ? "" : `: ${jsonRemedy}`;
  const description = `the JSON of one request may hold ${jsonValuesMax} values at most; an object or a list counts as two${remedy}`;
  return { field: "", description };
}

function tooMany({ isList, isMap }: FieldPlan, countMax: number): string {
  if (isList) return `must contain no more than ${countMax} item(s)`;
  return isMap ? `must contain no more than ${countMax} entries` : `is set more than ${countMax} times`;
}

function within(step: string, { field, description }: FieldViolation): FieldViolation {
  const joint = field === "" || field.startsWith("[") || field.startsWith(".") ? "" : ".";
  return { field: `${step}${joint}${field}`, description };
}
