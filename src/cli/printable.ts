import type { Json } from "../core/json.ts";
import { Media } from "../rpc/media.ts";
import { Tensor, type TypedArray } from "../rpc/tensor.ts";

/**
 * A result as JSON to be read: arrays of numbers are lists of lists, a complex number is the list of
 * its two parts, and bytes and files are base64. Numbers that JSON does not have are text.
 */
export function printable(value: unknown): Json {
  if (value instanceof Media) return { media_type: value.mediaType, bytes: base64(value.data) };
  if (value instanceof Uint8Array) return { bytes: base64(value) };
  if (value instanceof Tensor) return nested(numbersOf(value), value.elementType.startsWith("complex") ? [...value.shape, 2] : value.shape);
  if (ArrayBuffer.isView(value)) return Array.from(value as TypedArray, numberOf);
  if (Array.isArray(value)) return value.map(printable);
  if (typeof value !== "object" || value === null) return value as Json;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, printable(member)]));
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

function numbersOf({ data, elementType }: Tensor): readonly Json[] {
  return Array.from(data, (number) => (elementType === "bool" ? number !== 0 : numberOf(number)));
}

function numberOf(number: number | bigint): Json {
  const near = Number(number);
  const isExact = typeof number === "bigint" ? Number.isSafeInteger(near) : Number.isFinite(number);
  return isExact ? near : String(number);
}

/** Numbers in row-major order as lists in lists. */
function nested(numbers: readonly Json[], [length, ...inner]: readonly number[]): Json {
  if (length === undefined) return numbers[0] ?? null;
  if (inner.length === 0) return numbers;
  const size = inner.reduce((product, side) => product * side, 1);
  return Array.from({ length }, (_, index) => nested(numbers.slice(index * size, (index + 1) * size), inner));
}
