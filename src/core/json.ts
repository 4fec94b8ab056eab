/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/**
 * The most levels of objects and lists within each other: protobuf readers commonly stop at 100
 * nested messages, and a level takes three.
 */
export const jsonLevelsMax = 32;

/**
 * Whether two values are the same JSON. The order of an object's names does not count, and
 * undefined members count as absent.
 */
export function sameJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((value, index) => sameJson(value, right[index]));
  if (Array.isArray(left) || Array.isArray(right)) return false;
  const a = left as Record<string, unknown>;
  const b = right as Record<string, unknown>;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  const own = (object: Record<string, unknown>, name: string) => (Object.hasOwn(object, name) ? object[name] : undefined);
  return [...names].every((name) => sameJson(own(a, name), own(b, name)));
}

/**
 * Whether a number is beyond the whole numbers that a number holds exactly, 2^53, and JSON writes it
 * with all its digits: the last of them may not be those that were meant. From 1e21 on, JSON writes
 * an exponent.
 */
export function isInexact(number: number): boolean {
  return Number.isInteger(number) && Math.abs(number) > 2 ** 53 && Math.abs(number) < 1e21;
}
