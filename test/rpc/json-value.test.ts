import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { jsonLevelsMax } from "../../src/core/json.ts";
import { inputToValue, jsonToValue, NotJson, valueToJson } from "../../src/rpc/json-value.ts";

const throughTheWire = (json: unknown) => valueToJson(fromBinary(ValueSchema, toBinary(ValueSchema, jsonToValue(json))));

describe("JSON as a message", () => {
  test("any JSON value survives, names like __proto__ too", () => {
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: "medium" }), (json) => {
        const text = JSON.stringify(json);
        expect(JSON.stringify(throughTheWire(json))).toBe(text);
        expect(toJson(ValueSchema, jsonToValue(JSON.parse(text)))).toEqual(JSON.parse(text));
      }),
    );
    const hostile = JSON.parse('{"__proto__":{"admin":true},"constructor":1}');
    expect(JSON.stringify(throughTheWire(hostile))).toBe(JSON.stringify(hostile));
  });

  test("says what JSON.stringify says", () => {
    const classy = new (class {
      a = 1;
      #hidden = 2;
      get b() {
        return this.#hidden;
      }
    })();
    const values = [
      undefined,
      { a: undefined, b: 1 },
      [undefined, 1],
      new Date(0),
      classy,
      { url: new URL("http://a/b") },
      Buffer.from("hi"),
    ];
    for (const value of [...values, new Number(5), new String("text"), { toJSON: () => ({ c: 3 }) }, Object.create(null)]) {
      expect(throughTheWire(value)).toEqual(JSON.parse(JSON.stringify(value) ?? "null"));
    }
  });

  test("a typed array is a list of its numbers", () => {
    expect(throughTheWire({ embedding: new Float64Array([0.5, 1]) })).toEqual({ embedding: [0.5, 1] });
  });

  test.each([
    [{ scores: [1, Number.NaN] }, ".scores[1]", "NaN"],
    [Number.POSITIVE_INFINITY, "", "Infinity"],
    [{ id: 5n }, ".id", "a BigInt (5n)"],
    [[() => 1], "[0]", "a function"],
    [{ s: Symbol("x") }, ".s", "a symbol"],
    [{ a: { m: new Map() } }, ".a.m", "a Map"],
    [[Promise.resolve(1)], "[0]", "a Promise (is an await missing?)"],
    [{ text: ["a\ud800b"] }, ".text[0]", "text with half a character (a lone surrogate)"],
    [{ a: { "\udc00": 1 } }, ".a", "text with half a character (a lone surrogate)"],
  ])("what has no form in it is refused with its place: %o", (value, path, what) => {
    const refused = caught(() => jsonToValue(value));
    expect(refused).toMatchObject({ path, what });
    expect(refused).toBeInstanceOf(NotJson);
  });

  test("whole numbers beyond 2^53 are refused in what a caller sends, and are floats in results", () => {
    for (const exact of [2 ** 53, -(2 ** 53), 0.5, 1e21, 1e300, -1e300]) expect(valueToJson(inputToValue([exact]))).toEqual([exact]);
    for (const inexact of [2 ** 53 + 2, -(2 ** 60), 1e20]) {
      expect(caught(() => inputToValue({ ids: [1, inexact] }))).toMatchObject({ path: ".ids[1]", what: expect.stringContaining("2^53") });
      expect(throughTheWire(inexact)).toBe(inexact);
    }
  });

  test("a cycle is refused, and so is more depth than readers take", () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = [cycle];
    expect(caught(() => jsonToValue(cycle))).toMatchObject({ what: expect.stringContaining("contains itself") });
    const nested = (levels: number): Json => (levels === 0 ? 1 : { deeper: nested(levels - 1) });
    expect(throughTheWire(nested(jsonLevelsMax))).toEqual(nested(jsonLevelsMax));
    expect(() => jsonToValue(nested(jsonLevelsMax + 1))).toThrow(NotJson);
  });
});

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
