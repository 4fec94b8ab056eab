// Changes that meet each other, a later leader, a caller that leaves, and requests in work.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReconfigurePhase } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { StatusError } from "../../src/core/errors.ts";
import type { Json, RequestContext } from "../../src/replica/index.ts";
import { deployment } from "../../src/replica/index.ts";
import { ProgramConfig } from "../../src/replica/program-config.ts";
import { change, failure, gate, serve, steps } from "./harness.ts";

/**
 * Served: a program whose hooks say when they begin and end, and wait to be let go where a test
 * says so.
 */
async function slow() {
  const calls: string[] = [];
  const begun = new Map<string, () => void>();
  const held = new Map<string, Promise<void>>();
  const work = async (what: string) => {
    calls.push(`${what} begins`);
    begun.get(what)?.();
    await held.get(what);
    calls.push(`${what} ends`);
  };
  /** Holds that piece of work: resolves `began` when it begins, and lets it go on with `go`. */
  const hold = (what: string) => {
    const [began, go] = [gate(), gate()];
    begun.set(what, began.resolve);
    held.set(what, go.promise);
    return { began: began.promise, go: go.resolve };
  };
  const left = gate();
  class Program {
    #config: Json = "none";
    validateConfig(userConfig: Json) {
      return work(`check ${userConfig}`);
    }
    async reconfigure(userConfig: Json) {
      await work(`take ${userConfig}`);
      this.#config = userConfig;
    }
    async answer() {
      const config = this.#config; // once: the rest of the request may meet another
      await work(`request under ${config}`);
      return config;
    }
    async untilLeft(_input: unknown, context: RequestContext) {
      const { signal } = context;
      const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
      await work("untilLeft");
      await aborted;
      left.resolve();
    }
  }
  const served = await serve(deployment(Program));
  return { ...served, ...steps(served), calls, hold, left: left.promise };
}

const whole = (...works: string[]) => works.flatMap((work) => [`${work} begins`, `${work} ends`]);

describe("changes", () => {
  test("are made one at a time, in the order they came, checks among them", async () => {
    const { prepare, apply, revert, replica, calls, hold } = await slow();
    await apply(1, "a");
    calls.length = 0;
    const { began, go } = hold("take b");
    const first = apply(2, "b");
    await began;
    const rest = [prepare(3, "c"), revert(1, "a"), apply(4, "d"), prepare(5, "e")];
    await replica.getInfo({}); // the same connection: all have arrived
    expect(calls).toEqual([...whole("check b"), "take b begins"]);
    go();
    expect(await Promise.all([first, ...rest])).toEqual([2, 2, 1, 4, 4]);
    expect(calls).toEqual(whole("check b", "take b", "check c", "check a", "take a", "check d", "take d", "check e"));
  });

  test("that fail do not stop those behind them", async () => {
    const seen: Json[] = [];
    const program = {
      userConfigSchema: undefined,
      hooks: {
        reconfigure(userConfig: unknown) {
          seen.push(userConfig as Json);
          if (userConfig === "late") throw new Error("too late for that");
        },
      },
    };
    const config = new ProgramConfig(program, { limit() {} }, { warn() {} });
    const step = (generation: bigint, userConfig: Json) => config.apply({ generation, userConfig, ongoingMax: undefined }, () => {});
    const results = await Promise.allSettled([step(1n, "late"), step(2n, "b"), step(3n, "late"), step(3n, "c")]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected", "fulfilled"]);
    expect(seen).toEqual(["late", "b", "late", "c"]);
    expect(config.generation).toBe(3n);
  });

  test("wait in a bounded number", async () => {
    const { apply, hold } = await slow();
    const { began, go } = hold("take 0");
    const first = apply(1, 0);
    await began;
    const rest = Array.from({ length: 20 }, (_, n) => apply(n + 2, n + 1));
    const refused = rest.slice(16).map(failure);
    for (const error of await Promise.all(refused)) expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    go();
    expect(await Promise.all([first, ...rest.slice(0, 16)])).toEqual(Array.from({ length: 17 }, (_, n) => n + 1));
  });

  test.each([
    ["their turn", "take a"],
    ["they were checked", "check b"],
  ])("of a caller that left before %s are not made", async (_when, held) => {
    const { apply, prepare, invoke, replica, calls, hold, left } = await slow();
    const [working, asking] = [hold(held), hold("untilLeft")];
    asking.go();
    const first = apply(1, "a");
    if (held === "check b") await first;
    else await working.began;
    const leave = new AbortController();
    const second = failure(replica.reconfigure(change(2, "b"), { signal: leave.signal }));
    const other = failure(invoke("untilLeft", null, { signal: leave.signal }));
    await asking.began; // the same connection: the second has arrived
    if (held === "check b") await working.began;
    leave.abort();
    expect((await second).code).toBe("CANCELLED");
    await other;
    await left; // the replica has noticed that the callers left, in their order
    working.go();
    await first;
    expect(await prepare(2, "c")).toBe(1); // its turn comes after the second's
    expect(calls).not.toContain("take b begins");
  });

  test.each([ReconfigurePhase.PREPARE, ReconfigurePhase.APPLY, ReconfigurePhase.REVERT])(
    "of a leader that was replaced before their turn are not made (phase %i)",
    async (phase) => {
      const { apply, replica, calls, hold } = await slow();
      const { began, go } = hold("take a");
      const first = apply(1, "a");
      await began;
      const second = failure(replica.reconfigure(change(2, "b", { phase })));
      await replica.drain({ epoch: 9n }); // the same connection: the second has arrived
      go();
      expect(await first).toBe(1);
      expect(await second).toMatchObject({ code: "FAILED_PRECONDITION", reason: "STALE_EPOCH" });
      expect(calls).toEqual(whole("check a", "take a"));
    },
  );

  test.each([ReconfigurePhase.APPLY, ReconfigurePhase.REVERT])(
    "of a leader that was replaced while they were checked are not made (phase %i)",
    async (phase) => {
      const { apply, replica, calls, hold } = await slow();
      await apply(1, "a");
      const { began, go } = hold("check b");
      const second = failure(replica.reconfigure(change(2, "b", { phase })));
      await began;
      await replica.drain({ epoch: 9n });
      go();
      expect(await second).toMatchObject({ reason: "STALE_EPOCH" });
      expect(calls).not.toContain("take b begins");
      expect(await replica.getInfo({})).toMatchObject({ configGeneration: 1n });
    },
  );
});

describe("requests", () => {
  test("are answered during a change, with the config in use; a request that began under the old config ends under it", async () => {
    const { apply, invoke, hold } = await slow();
    await apply(1, "a");
    const request = hold("request under a");
    const early = invoke("answer");
    await request.began;
    const taking = hold("take b");
    const applied = apply(2, "b");
    await taking.began;
    const during = invoke("answer");
    request.go();
    expect(await during).toBe("a");
    taking.go();
    await applied;
    expect(await invoke("answer")).toBe("b");
    expect(await early).toBe("a");
  });

  test("go on across a change, which does not wait for them", async () => {
    const { apply, invoke, hold } = await slow();
    await apply(1, "a");
    const request = hold("request under a");
    const early = invoke("answer");
    await request.began;
    expect(await apply(2, "b")).toBe(2);
    request.go();
    expect(await early).toBe("a");
  });
});

/**
 * Whatever changes came before, and however they failed: a step that succeeds leaves the program,
 * the generation and the bound where it says. The program here is the worst that is allowed: it
 * throws after it has assigned.
 */
test("any order of changes leaves a replica at what the last successful one says", async () => {
  const step = fc.record({
    step: fc.constantFrom("prepare" as const, "apply" as const, "revert" as const),
    generation: fc.bigInt({ min: 1n, max: 4n }),
    userConfig: fc.constantFrom<Json | undefined>(undefined, "a", "b", "bad", "late"),
    ongoingMax: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (changes) => {
      let serves: unknown;
      let bound: number | undefined;
      const hooks = {
        validateConfig(userConfig: unknown) {
          if (userConfig === "bad") throw new Error("no such model");
        },
        reconfigure(userConfig: unknown) {
          serves = userConfig;
          if (userConfig === "late") throw new Error("too late for that");
        },
      };
      const config = new ProgramConfig({ hooks, userConfigSchema: undefined }, { limit: (given) => (bound = given) }, { warn() {} });
      for (const { step, ...change } of changes) {
        const before = { generation: config.generation, serves, bound };
        const after = () => ({ generation: config.generation, serves, bound });
        const error = await config[step](change, () => {}).catch((error: StatusError) => error);
        const { generation, userConfig, ongoingMax = bound } = change;
        if (error instanceof Error) expect(after()).toEqual({ ...before, serves });
        else if (step === "prepare" || (step === "apply" && generation <= before.generation)) expect(after()).toEqual(before);
        else if (step === "revert" && generation === before.generation) expect(serves).not.toBe("late");
        else expect(after()).toEqual({ generation, serves: userConfig === undefined ? before.serves : userConfig, bound: ongoingMax });
        if (!(error instanceof Error) && step === "revert" && userConfig === undefined && generation !== before.generation) {
          expect(serves).toBeUndefined();
        }
      }
    }),
  );
});
