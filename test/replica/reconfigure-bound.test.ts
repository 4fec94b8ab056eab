// The bound on requests that a change of user_config carries: seen by how many of a burst the
// replica admits.
import { describe, expect, test } from "vitest";
import { ReconfigurePhase } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { Json } from "../../src/replica/index.ts";
import { deployment } from "../../src/replica/index.ts";
import { change, failure, gate, serve, steps } from "./harness.ts";

const burst = 6;

/**
 * Served with a bound of 2: a program whose requests wait to be let go; `Config` adds the hooks.
 */
async function holding(Config: new () => object = class {}) {
  let began = Array.from({ length: burst }, () => gate());
  let go = gate();
  class Program extends Config {
    hold(n: number) {
      began[n]?.resolve();
      return go.promise;
    }
  }
  const served = await serve(deployment(Program), { maxOngoingRequests: 2 });
  /**
   * Sends as many requests as there are, at once; returns how many of them began, and what ends
   * those.
   */
  const send = async () => {
    began = began.map(() => gate());
    const calls = began.map((_, n) => served.invoke("hold", n));
    const outcomes = await Promise.all(calls.map((call, n) => Promise.race([began[n]?.promise, failure(call)])));
    const refusals = outcomes.filter((outcome) => outcome !== undefined);
    for (const refusal of refusals) expect(refusal).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "REPLICA_BUSY" });
    const end = async () => {
      go.resolve();
      await Promise.allSettled(calls);
      go = gate();
    };
    return { admitted: burst - refusals.length, end };
  };
  const admitted = async () => {
    const { admitted, end } = await send();
    await end();
    return admitted;
  };
  return { ...served, ...steps(served), send, admitted };
}

class Configurable {
  reconfigure(userConfig: Json) {
    if (userConfig === "late") throw new Error("too late for that");
  }
}

const to = (maxOngoingRequests: number) => ({ maxOngoingRequests });

describe("max_ongoing_requests", () => {
  test("holds from an APPLY on, up and down, and stays where none is given", async () => {
    const { apply, admitted } = await holding(Configurable);
    expect(await admitted()).toBe(2);
    await apply(1, "a", to(4));
    expect(await admitted()).toBe(4);
    await apply(2, "b", to(1));
    expect(await admitted()).toBe(1);
    await apply(3, "c");
    expect(await admitted()).toBe(1);
  });

  test("may change alone, also for a program that takes no config", async () => {
    const { prepare, apply, revert, admitted } = await holding();
    await apply(1);
    await prepare(2, undefined, to(3));
    await apply(2, undefined, to(3));
    expect(await admitted()).toBe(3);
    expect(await revert(1, undefined, to(2))).toBe(1);
    expect(await admitted()).toBe(2);
  });

  test("is not changed by a PREPARE, by an APPLY that fails or is not newer, or by a REVERT to what is in use", async () => {
    const { prepare, apply, revert, admitted } = await holding(Configurable);
    await apply(1, "a");
    await prepare(2, "b", to(4));
    await failure(apply(2, "late", to(4)));
    await apply(1, "a", to(4));
    await revert(1, "a");
    await revert(1, "a", to(4));
    expect(await admitted()).toBe(2);
  });

  test("goes back with a REVERT", async () => {
    const { apply, revert, admitted } = await holding(Configurable);
    await apply(1, "a", to(3));
    await apply(2, "b", to(5));
    await revert(1, "a", to(3));
    expect(await admitted()).toBe(3);
  });

  test("below what is in work ends no request: none is admitted until enough have ended", async () => {
    const { apply, send, invoke } = await holding();
    const { end, admitted } = await send();
    expect(admitted).toBe(2);
    await apply(1, undefined, to(1));
    const error = await failure(invoke("hold", 0));
    expect(error).toMatchObject({ reason: "REPLICA_BUSY" });
    expect(error.message).toBe("the replica has 2 requests in work; its max_ongoing_requests is 1");
    await end();
    const later = await send();
    expect(later.admitted).toBe(1);
    await later.end();
  });

  test.each([ReconfigurePhase.PREPARE, ReconfigurePhase.APPLY, ReconfigurePhase.REVERT])(
    "below 1 is refused by name in phase %i, and changes nothing",
    async (phase) => {
      const { replica, admitted } = await holding();
      for (const maxOngoingRequests of [0, -1]) {
        const error = await failure(replica.reconfigure(change(1, undefined, { phase, maxOngoingRequests })));
        const description = `must be 1 or more, not ${maxOngoingRequests}`;
        expect(error).toMatchObject({ code: "INVALID_ARGUMENT", facts: { violations: [{ field: "max_ongoing_requests", description }] } });
      }
      expect(await replica.getInfo({})).toMatchObject({ configGeneration: 0n });
      expect(await admitted()).toBe(2);
    },
  );
});
