import { describe, expect, test } from "vitest";
import type { ReplicaState } from "../../../src/core/replica.ts";
import { type Body, World } from "./plan-world.ts";

const hourMs = 3_600_000;

/**
 * A deployment of two replicas in full, the first of which is then in `state`, on a node that no
 * engine lists.
 */
function unseen(state: ReplicaState, more: Partial<Body>): { readonly world: World; readonly body: Body } {
  const world = new World(2);
  world.settle(20);
  const [body] = world.bodies.values();
  if (body === undefined) throw new Error("there is no replica");
  body.record = { ...body.record, state };
  return { world, body: Object.assign(body, { process: "unknown", answer: "unknown", ...more }) };
}

describe("a replica whose process is unknown", () => {
  test.each(["STARTING", "RUNNING", "DRAINING", "STOPPED", "FAILED"] as const)(
    "and which is %s is let be, however long that lasts",
    (state) => {
      // With a target that its state asks for, nothing else is to do either.
      const { world, body } = unseen(state, { ongoing: 1 });
      if (state !== "STARTING" && state !== "RUNNING") world.update({ numReplicas: 1 });
      const record = body.record;
      for (let hour = 0; hour < 5; hour++) {
        const actions = world.step();
        expect(actions.filter(({ kind }) => kind !== "progress" && kind !== "decide")).toEqual([]);
        world.nowMs += hourMs;
      }
      expect(body.record).toBe(record);
    },
  );

  test("runs once it answers that it is ready", () => {
    const { world, body } = unseen("STARTING", { answer: "ready" });
    world.step();
    expect(body.record.state).toBe("RUNNING");
  });

  test("is replaced if its health checks fail, as any other, and its process is not stopped while it is unknown", () => {
    const { world, body } = unseen("RUNNING", { answer: "unhealthy" });
    world.step();
    expect(body.record.state).toBe("DRAINING");
    world.nowMs += hourMs;
    const kinds = world.step().map(({ kind }) => kind);
    expect(kinds).not.toContain("terminate");
    expect(kinds).not.toContain("kill");
    expect(body.record.state).toBe("DRAINING");
  });
});
