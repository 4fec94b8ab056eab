import { describe, expect, test } from "vitest";
import { ReconfigurePhase } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { StandardIssue, StandardResult, StandardSchemaV1 } from "../../src/program/definition.ts";
import { deployment } from "../../src/replica/index.ts";
import { change, failure, serve } from "./harness.ts";

type Validate = (value: unknown) => StandardResult | Promise<StandardResult>;

/** A schema as a library makes it, that says what `validate` says. */
function schema(validate: Validate): StandardSchemaV1 {
  return { "~standard": { version: 1, vendor: "test", validate } };
}

/** Serves a program with that schema, which records the arguments of its hooks. */
async function servedWith(validate: Validate) {
  const calls: unknown[][] = [];
  class Program {
    validateConfig(userConfig: unknown) {
      calls.push(["validateConfig", userConfig]);
      if (userConfig instanceof Date && userConfig.getTime() < 0) throw new Error("before 1970");
    }
    reconfigure(userConfig: unknown) {
      calls.push(["reconfigure", userConfig]);
    }
  }
  const definition = deployment(Program, { userConfigSchema: schema(validate) });
  return { ...(await serve(definition)), calls, definition };
}

const toDate: Validate = (value) => ({ value: new Date(value as number) });
const prepare = { phase: ReconfigurePhase.PREPARE };

describe("a user_config's schema", () => {
  test.each([
    ["at once", toDate],
    ["later", async (value: unknown) => toDate(value)],
  ])("that validates %s passes its result to validateConfig and then to reconfigure", async (_when, validate) => {
    const { replica, calls } = await servedWith(validate);
    await replica.reconfigure(change(1, 5, prepare));
    expect(calls).toEqual([["validateConfig", new Date(5)]]);
    await replica.reconfigure(change(1, 5));
    expect(calls.slice(1)).toEqual([
      ["validateConfig", new Date(5)],
      ["reconfigure", new Date(5)],
    ]);
    expect((await failure(replica.reconfigure(change(2, -5, prepare)))).message).toBe("before 1970");
  });

  test.each([ReconfigurePhase.PREPARE, ReconfigurePhase.APPLY, ReconfigurePhase.REVERT])(
    "refuses in phase %i with every issue, its path and its message, and asks no hook",
    async (phase) => {
      const { replica, calls } = await servedWith(() => ({
        issues: [
          { message: "must be a number", path: ["limits", { key: "items" }, 0, "max"] },
          { message: "unknown", path: [] },
        ],
      }));
      const error = await failure(replica.reconfigure(change(1, {}, { phase })));
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
      expect(error.message).toBe("user_config.limits.items[0].max: must be a number (and 1 more)");
      expect(error.facts.violations).toEqual([
        { field: "user_config.limits.items[0].max", description: "must be a number" },
        { field: "user_config", description: "unknown" },
      ]);
      expect(calls).toEqual([]);
      expect(await replica.getInfo({})).toMatchObject({ configGeneration: 0n });
    },
  );

  const paths: [StandardIssue["path"], string][] = [
    [undefined, "user_config"],
    [["a", "_b1"], "user_config.a._b1"],
    [[{ key: "a" }, { key: 2 }], "user_config.a[2]"],
    [["0"], 'user_config["0"]'],
    [["max-items"], 'user_config["max-items"]'],
    [["a.b", ""], 'user_config["a.b"][""]'],
    [['say "hi"'], 'user_config["say \\"hi\\""]'],
    [[Symbol("s")], 'user_config["Symbol(s)"]'],
  ];
  test.each(paths)("names the place %o as %s", async (path, field) => {
    const { replica } = await servedWith(() => ({ issues: [{ message: "wrong", path }] }));
    expect((await failure(replica.reconfigure(change(1, {})))).facts.violations).toEqual([{ field, description: "wrong" }]);
  });

  test.each([
    ["throws", () => Promise.reject(new Error("the list of models is away"))],
    ["throws at once", () => fail("the list of models is away")],
  ])("that %s refuses with its message", async (_how, validate) => {
    const { replica, calls } = await servedWith(validate);
    const refused = { code: "FAILED_PRECONDITION", reason: "RECONFIGURE_REFUSED", message: "the list of models is away" };
    expect(await failure(replica.reconfigure(change(1, {})))).toMatchObject(refused);
    expect(calls).toEqual([]);
  });

  test("does not see the absence of a config, nor one that is in use", async () => {
    let asked = 0;
    const { replica } = await servedWith((value) => {
      asked++;
      return { value };
    });
    await replica.reconfigure(change(1));
    expect(asked).toBe(0);
    await replica.reconfigure(change(2, { a: 1, b: 2 }));
    await replica.reconfigure(change(3, { b: 2, a: 1 }, prepare));
    await replica.reconfigure(change(3, { b: 2, a: 1 }));
    expect(asked).toBe(1);
  });

  test("is kept by a copy of the definition, or replaced in it", async () => {
    const { definition } = await servedWith(toDate);
    const other = schema(() => ({ issues: [{ message: "no" }] }));
    expect(definition.options({ numReplicas: 2 }).userConfigSchema).toBe(definition.userConfigSchema);
    expect(definition.options({ userConfigSchema: other }).userConfigSchema).toBe(other);
  });
});

function fail(message: string): never {
  throw new Error(message);
}
