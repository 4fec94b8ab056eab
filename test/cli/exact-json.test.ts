import { toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import type { InvokeResponse } from "../../gen/drover/v1/invoke_service_pb.ts";
import { InexactJson, parseExactJson } from "../../src/cli/exact-json.ts";
import { parseSpecs } from "../../src/cli/spec-file.ts";
import { folder, serve } from "./harness.ts";

const pathIn = (text: string): string | undefined => {
  try {
    parseExactJson(text, "v");
    return undefined;
  } catch (error) {
    if (!(error instanceof InexactJson)) throw error;
    return error.message.split(":")[0];
  }
};

describe("JSON that would change on its way is refused by its path", () => {
  test.each([
    ["9007199254740993", "v"],
    ["-9007199254740993", "v"],
    ['{"id": 9007199254740993}', "v.id"],
    ['{"a": [1, {"b": 123456789012345678901234567890}]}', "v.a[1].b"],
    ['{"x": 1e400}', "v.x"],
    ["[-1e400]", "v[0]"],
    [String.raw`["\ud800"]`, "v[0]"],
    [String.raw`{"a\udc00": 1}`, "v"],
    ['{"a": 1, "b": 2, "a": 1}', "v.a"],
    ['{"__proto__": 1, "__proto__": 1}', "v.__proto__"],
    [String.raw`{"a": [{}, {"}\"{": {"b": 1, "\u0062": 2}}]}`, 'v.a[1].}"{.b'],
  ])("%s", (text, path) => {
    expect(pathIn(text)).toBe(path);
  });

  test.each([
    "9007199254740992",
    "-9007199254740992",
    "1e300",
    "12345678901234567890.0",
    "1e20",
    String.raw`"\ud83d\ude00"`,
    '{"__proto__": 1}',
    String.raw`[{"a": "a", "b": ["a", "a", ":"]}, {"a": {"a": "\\"}, "b": "\":"}]`,
    JSON.stringify({ long: `"${"\\,{".repeat(1_000_000)}` }),
  ])("%s arrives as it is", (text) => {
    expect(parseExactJson(text, "v")).toEqual(JSON.parse(text));
  });
});

describe("the command line sends nothing that would change", () => {
  const inputs = ['{"x": 1e400}', '{"x": 9007199254740993}', String.raw`{"x": "\ud800"}`];

  test.each(inputs)("drover invoke and drover reconfigure refuse %s", async (json) => {
    const called: string[] = [];
    const run = await serve(
      {
        reconfigure: () => {
          called.push("reconfigure");
          return {};
        },
      },
      {
        invoke: ({ input }) => {
          called.push("invoke");
          return { output: input as InvokeResponse["output"] };
        },
      },
    );
    for (const command of [
      ["invoke", "a", "m", json],
      ["reconfigure", "a", json],
    ]) {
      const { exitCode, stderr } = await run(command);
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(/(input|user_config)\.x/);
    }
    expect(called).toEqual([]);
  });

  test("nor what is no UTF-8", async () => {
    const run = await serve({}, { invoke: ({ input }) => ({ output: input as InvokeResponse["output"] }) });
    const cwd = await folder({ "in.json": Buffer.from([0x22, 0xff, 0x22]) });
    expect((await run(["invoke", "a", "m", "@in.json"], { cwd })).exitCode).toBe(1);
  });
});

const configOf = (text: string) => {
  const { specs, problems } = parseSpecs("a.yaml", `name: a\nprogram: { command: { argv: [a] } }\n${text}`);
  const value = specs[0]?.spec.userConfig;
  return { config: value && toJson(ValueSchema, value), problems, spec: specs[0]?.spec };
};

describe("YAML", () => {
  test.each(["9007199254740993", "+9007199254740993", "0x20000000000001", "-9007199254740993", "1e400", ".inf", String.raw`"\ud800"`])(
    "%s is refused in user_config, by its path",
    (value) => {
      expect(configOf(`user_config: { a: [${value}] }`).problems).toEqual([expect.stringContaining("spec.user_config.a[0]")]);
    },
  );

  test("what a double holds stays", () => {
    expect(configOf("user_config: [9007199254740992, 1e20, 0x10, -1]")).toMatchObject({ config: [2 ** 53, 1e20, 16, -1], problems: [] });
  });

  test("an alias without an anchor in its document is refused, by its path", () => {
    expect(configOf("user_config: { a: *b }").problems).toEqual([expect.stringContaining("spec.user_config.a")]);
    const second = configOf("user_config: &c { x: 1 }\n---\nname: b\nprogram: { command: { argv: [a] } }\nuser_config: *c");
    expect(second.problems).toEqual([expect.stringMatching(/^a.yaml:7: spec.user_config:/)]);
    expect(configOf("user_config: { <<: *b }").problems).not.toEqual([]);
  });

  test("merge keys are merged: its own names win, then the first mapping", () => {
    const yaml =
      "user_config: { base: &base { retries: 3, url: a }, more: &more { retries: 5, log: c }, prod: { <<: *base, url: b }, both: { url: z, <<: [*base, *more] } }";
    expect(configOf(yaml)).toMatchObject({
      problems: [],
      config: {
        base: { retries: 3, url: "a" },
        prod: { retries: 3, url: "b" },
        both: { retries: 3, url: "z", log: "c" },
      },
    });
    expect(configOf(yaml).config).not.toHaveProperty("prod.<<");
    expect(configOf('user_config: { a: { "<<": 1 } }').config).toEqual({ a: { "<<": 1 } });
  });

  test("merge keys are merged in every mapping, also from what was merged itself", () => {
    const { problems, spec } = configOf(
      "labels: &l { team: a }\nruntime_env: { env_vars: { <<: *l, X: y } }\nuser_config: { a: &a { <<: *l, b: 1 }, c: { <<: *a } }",
    );
    expect(problems).toEqual([]);
    expect(spec?.runtimeEnv?.envVars).toEqual({ team: "a", X: "y" });
    expect(configOf("user_config: { a: &a { <<: { t: 1 }, b: 1 }, c: { <<: *a } }").config).toMatchObject({ c: { t: 1, b: 1 } });
  });

  test("what cannot be merged is named; merges do not grow without bound", () => {
    expect(configOf("user_config: { <<: 1 }").problems).toEqual([expect.stringContaining("spec.user_config.<<")]);
    expect(configOf("user_config: &a { <<: *a }").problems).not.toEqual([]);
    const levels = Array.from({ length: 40 }, (_, n) => `a${n + 1}: &a${n + 1} { <<: [*a${n}, *a${n}] }`);
    expect(configOf(`user_config: { a0: &a0 { x: 1 }, ${levels.join(", ")} }`).problems).not.toEqual([]);
  });
});
