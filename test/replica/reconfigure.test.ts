import { describe, expect, test } from "vitest";
import { ReconfigurePhase } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { Json } from "../../src/replica/index.ts";
import { deployment, StatusError } from "../../src/replica/index.ts";
import { change, failure, serve, steps } from "./harness.ts";

const { PREPARE, APPLY, REVERT, UNSPECIFIED } = ReconfigurePhase;
const refused = { code: "FAILED_PRECONDITION", reason: "RECONFIGURE_REFUSED" };

/**
 * Serves a program that records the arguments of its hooks, and refuses by name: "bad" and
 * "invalid" when checked, "late" when taken.
 */
async function configurable() {
  const taken: Json[] = [];
  const checked: Json[] = [];
  class Program {
    validateConfig(userConfig: Json) {
      checked.push(userConfig);
      if (userConfig === "invalid") throw new StatusError("INVALID_ARGUMENT", "model: no such model");
      if (userConfig === "bad") throw new Error("no such model");
    }
    reconfigure(userConfig: Json) {
      taken.push(userConfig);
      if (userConfig === "late") throw new TypeError("too late for that");
    }
  }
  const served = await serve(deployment(Program));
  return { ...served, ...steps(served), taken, checked };
}

class Plain {
  call() {}
}

describe("PREPARE", () => {
  test("has the program check the config and changes nothing, however often", async () => {
    const { prepare, apply, taken, checked, replica } = await configurable();
    await apply(1, "a");
    expect([await prepare(2, "b"), await prepare(2, "b"), await prepare(1, "c")]).toEqual([1, 1, 1]);
    expect(checked).toEqual(["a", "b", "b", "c"]);
    expect(taken).toEqual(["a"]);
    expect(await replica.getInfo({})).toMatchObject({ configGeneration: 1n });
    expect(await apply(2, "b")).toBe(2);
  });

  test("of no config, or of the one in use, has nothing to check", async () => {
    const { prepare, apply, checked } = await configurable();
    expect(await prepare(1)).toBe(0);
    await apply(1, { a: 1, b: [] });
    expect(await prepare(2, { b: [], a: 1 })).toBe(1);
    expect(checked).toHaveLength(1);
    expect(await steps(await serve(deployment(Plain))).prepare(1)).toBe(0);
  });
});

describe("APPLY", () => {
  test("gives the program its config, once for each generation, the newest only", async () => {
    const { apply, taken, replica } = await configurable();
    expect(await apply(3, { model: "a" })).toBe(3);
    expect(await apply(3, { model: "b" })).toBe(3);
    expect(await apply(2, { model: "old" })).toBe(3);
    expect(await apply(4, null)).toBe(4);
    expect(taken).toEqual([{ model: "a" }, null]);
    expect(await replica.getInfo({})).toMatchObject({ configGeneration: 4n });
  });

  test("is what a call without a phase means", async () => {
    const { replica, taken } = await configurable();
    expect(await replica.reconfigure(change(1, "a", { phase: UNSPECIFIED }))).toMatchObject({ configGeneration: 1n });
    expect(taken).toEqual(["a"]);
  });

  test("without a config only notes the generation: the program keeps what it has", async () => {
    const { apply, taken, checked } = await configurable();
    expect([await apply(1), await apply(2, "a"), await apply(3)]).toEqual([1, 2, 3]);
    expect([taken, checked]).toEqual([["a"], ["a"]]);
    expect(await steps(await serve(deployment(Plain))).apply(1)).toBe(1);
  });

  test("of the config in use under a new generation leaves the program alone, whatever the program did to it", async () => {
    const seen: Json[] = [];
    class Program {
      reconfigure(userConfig: { limits: number[] }) {
        seen.push(structuredClone(userConfig));
        userConfig.limits.push(3);
      }
    }
    const { apply } = steps(await serve(deployment(Program)));
    expect([await apply(1, { limits: [1, 2] }), await apply(2, { limits: [1, 2] })]).toEqual([1, 2]);
    expect(seen).toEqual([{ limits: [1, 2] }]);
    expect(await apply(3, { limits: [1, 2, 3] })).toBe(3);
    expect(seen).toEqual([{ limits: [1, 2] }, { limits: [1, 2, 3] }]);
  });
});

describe("REVERT", () => {
  test("gives the program the last committed config again, and the generation goes down", async () => {
    const { apply, revert, taken } = await configurable();
    await apply(2, "a");
    await apply(3, "b");
    expect(await revert(2, "a")).toBe(2);
    expect(taken).toEqual(["a", "b", "a"]);
    expect(await apply(3, "c")).toBe(3);
    expect(taken).toEqual(["a", "b", "a", "c"]);
  });

  test("of the generation in use changes nothing", async () => {
    const { apply, revert, taken, checked } = await configurable();
    await apply(1, "a");
    await failure(apply(2, "bad")); // which the program never took
    expect(await revert(1, "a")).toBe(1);
    expect(await revert(1)).toBe(1);
    expect([taken, checked]).toEqual([["a"], ["a", "bad"]]);
  });

  test("to a generation the replica never had serves by it, newer or older", async () => {
    const { apply, revert, taken } = await configurable();
    expect(await revert(5, "a")).toBe(5);
    await apply(7, "b");
    expect(await revert(6, "c")).toBe(6);
    expect(taken).toEqual(["a", "b", "c"]);
  });

  test("makes sure after a reconfigure that failed: the program takes the config in use again", async () => {
    const { apply, revert, taken } = await configurable();
    await apply(1, "a");
    expect(await failure(apply(2, "late"))).toMatchObject({ ...refused, message: "too late for that" });
    expect(await revert(1, "a")).toBe(1);
    expect(await revert(1, "a")).toBe(1);
    expect(taken).toEqual(["a", "late", "a"]);
  });

  test("that fails itself is not believed the next time", async () => {
    const { apply, revert, taken } = await configurable();
    await apply(1, "a");
    await apply(2, "b");
    expect(await failure(revert(1, "late"))).toMatchObject(refused);
    expect(await revert(2, "b")).toBe(2);
    expect(taken).toEqual(["a", "b", "late", "b"]);
  });

  test("to no config is refused where the program was given one: nothing takes it away", async () => {
    const { apply, revert, taken, replica } = await configurable();
    await apply(1);
    await apply(2, "a");
    const error = await failure(revert(1));
    expect(error).toMatchObject(refused);
    expect(error.message).toContain("no user_config to go back to");
    expect(await replica.getInfo({})).toMatchObject({ configGeneration: 2n });
    expect(taken).toEqual(["a"]);
  });

  test("to no config is refused after a reconfigure that failed, and so is an APPLY of none", async () => {
    const { apply, revert, replica } = await configurable();
    await apply(1);
    await failure(apply(2, "late"));
    expect(await failure(revert(1))).toMatchObject(refused);
    expect(await failure(apply(3))).toMatchObject(refused);
    expect(await replica.getInfo({})).toMatchObject({ configGeneration: 1n });
  });

  test("to no config where there never was one only notes the generation", async () => {
    const { apply, revert, taken } = await configurable();
    await apply(1);
    await apply(2);
    expect(await revert(1)).toBe(1);
    expect(taken).toEqual([]);
  });
});

describe("after a reconfigure that failed", () => {
  test("an APPLY of the same config is taken again, one not newer changes nothing", async () => {
    const { apply, taken } = await configurable();
    await apply(1, "a");
    await failure(apply(2, "late"));
    expect(await apply(1, "a")).toBe(1);
    expect(taken).toEqual(["a", "late"]);
    expect(await apply(3, "a")).toBe(3);
    expect(await apply(4, "a")).toBe(4);
    expect(taken).toEqual(["a", "late", "a"]);
  });
});

describe("a config that the program refuses", () => {
  const reasons: [string, object][] = [
    ["bad", { ...refused, message: "no such model" }],
    ["invalid", { code: "INVALID_ARGUMENT", reason: undefined, message: "model: no such model" }],
  ];
  const cases = [PREPARE, APPLY, REVERT].flatMap((phase) => reasons.map(([userConfig, error]) => [phase, userConfig, error] as const));
  test.each(cases)("in phase %i (%s) is never taken, and the call fails with its message", async (phase, userConfig, error) => {
    const { replica, apply, taken } = await configurable();
    await apply(1, "good");
    expect(await failure(replica.reconfigure(change(2, userConfig, { phase })))).toMatchObject(error);
    expect(await replica.getInfo({})).toMatchObject({ configGeneration: 1n });
    expect(await apply(2, "good again")).toBe(2);
    expect(taken).toEqual(["good", "good again"]);
  });

  test.each([PREPARE, APPLY, REVERT])("because it takes none (phase %i) fails and says how to take one", async (phase) => {
    const { replica } = await serve(deployment(Plain));
    const error = await failure(replica.reconfigure(change(1, {}, { phase })));
    expect(error).toMatchObject(refused);
    expect(error.message).toContain("add a method reconfigure(userConfig)");
  });
});

describe("the fields of a change", () => {
  test.each([UNSPECIFIED, PREPARE, APPLY, REVERT])("are held against their ranges, all at once, in phase %i", async (phase) => {
    const { replica } = await serve(deployment(Plain));
    const error = await failure(replica.reconfigure(change(0, undefined, { phase, maxOngoingRequests: 0 })));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
    expect(error.facts.violations).toEqual([
      { field: "config_generation", description: "must be 1 or more, not 0" },
      { field: "max_ongoing_requests", description: "must be 1 or more, not 0" },
    ]);
  });

  test("may not have a phase of a later version", async () => {
    const { replica } = await serve(deployment(Plain));
    const error = await failure(replica.reconfigure(change(1, undefined, { phase: 9 as ReconfigurePhase })));
    expect(error.facts.violations).toEqual([{ field: "phase", description: "this replica knows no phase 9" }]);
  });
});
