import { expect, test } from "vitest";
import { argumentsFor } from "../../src/replica/arguments.ts";
import { batched } from "../../src/replica/batched.ts";
import { parametersOf } from "../../src/replica/parameters.ts";

const names = (method: object) => parametersOf(method)?.map((p) => `${p.isRest ? "..." : ""}${p.name ?? "{}"}${p.hasDefault ? "?" : ""}`);

test("parameters are read from every form of source", () => {
  const strange = {
    [`a(${1}`](x: number, /* y, */ z = [1, ")"].length) {
      return x + z;
    },
    async *"quoted, name"(text: string, { max = 3 } = {}, ...rest: unknown[]) {
      yield [text, max, rest];
    },
    get: (a = "x".replace(/[,)]/g, `${((b) => b)(1)},`), context = () => ({})) => [a, context],
  };
  expect(Object.values(strange).map(names)).toEqual([
    ["x", "z?"],
    ["text", "{}?", "...rest"],
    ["a?", "context?"],
  ]);
  class Private {
    #secret = 1;
    static async read(async: number, of: Private) {
      return async + of.#secret;
    }
  }
  expect(names(Private.read)).toEqual(["async", "of"]);
  // biome-ignore format: parameters without parentheses
  const forms = [(async (x: number) => x), function (this: unknown) {}, ([first]: number[], last: number,) => [first, last]];
  expect(forms.map(names)).toEqual([["x"], [], ["{}", "last"]]);
  expect(parametersOf(new Function("return async x => x")() as object)).toEqual([{ name: "x", hasDefault: false, isRest: false }]);
  expect(parametersOf(forms[0]?.bind(null) as object)).toBeUndefined();
  expect(names(batched((texts: string[], sizes: (number | undefined)[] = []) => texts.map((_, index) => sizes[index])))).toEqual([
    "texts",
    "sizes?",
  ]);
});

const context = "the context";
const call = (method: (...all: never[]) => unknown, positional: readonly unknown[], named: Record<string, unknown> = {}) =>
  argumentsFor("method", parametersOf(method), { positional, named }, context);

test("only a parameter named context gets the context, wherever it stands", () => {
  expect(call((name: string, greeting = "Hello") => greeting + name, ["Ada"])).toEqual(["Ada", undefined]);
  expect(call((a: string, b: string) => a + b, ["Ada", "x"])).toEqual(["Ada", "x"]);
  expect(call((context: string, a: string, ...rest: string[]) => [context, a, rest], [1, 2, 3])).toEqual([context, 1, 2, 3]);
  expect(call((a: string, context: string, b: string) => [context, a, b], [1], { b: 2 })).toEqual([1, context, 2]);
});

test("nothing is null for the only argument that is needed", () => {
  expect(call((input: unknown) => input, [])).toEqual([null]);
  expect(call((input = 5) => input, [])).toEqual([undefined]);
  expect(call(() => 1, [null])).toEqual([]);
  expect(call(((input: unknown) => input).bind(null), [])).toEqual([null]);
});

test.each<[readonly unknown[], Record<string, unknown>, string[]]>([
  [[], {}, ["text", "max"]],
  [["a"], {}, ["max"]],
  [["a", 1, 2], {}, ["arguments.positional[2]"]],
  [["a", 1], { text: "b" }, ["text"]],
  [["a"], { max: 1, context: 2 }, ["context"]],
  [["a"], { max: 1, constructor: 2 }, ["constructor"]],
])("arguments that do not fit are refused by name: %j %j", (positional, named, fields) => {
  const cut = (text: string, max: number, context: unknown) => [text, max, context];
  expect(() => call(cut, positional, named)).toThrow(
    expect.objectContaining({ facts: expect.objectContaining({ violations: fields.map((field) => expect.objectContaining({ field })) }) }),
  );
});
