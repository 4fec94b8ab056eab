import { describe, expect, test } from "vitest";
import { conditionsOf } from "../../../src/core/rollout/conditions.ts";
import { failedKeptMax, terminateGraceMs } from "../../../src/core/rollout/finish.ts";
import { stableAfterMs } from "../../../src/core/rollout/settle.ts";
import { statusOf } from "../../../src/core/rollout/status.ts";
import { availableMin, defaultRollout, replicasMax } from "../../../src/core/rollout-policy.ts";
import { type Body, crashed, World } from "./plan-world.ts";

const state = (world: World) => statusOf(world.deployment, world.progress, world.records);
const conditions = (world: World) => conditionsOf(world.deployment, world.progress, world.records, { kind: "engine" });
const bodies = (world: World, ...states: string[]): Body[] =>
  [...world.bodies.values()].filter(({ record }) => states.includes(record.state));

describe("a first deployment", () => {
  test("starts all replicas at once and is healthy when all serve", () => {
    const world = new World(3);
    expect(world.step().filter(({ kind }) => kind === "create")).toHaveLength(3);
    expect(state(world).state).toBe("UPDATING");
    world.settle(5);
    expect(state(world)).toMatchObject({ state: "HEALTHY", running: 3, updated: 3, reconciling: false });
    expect(conditions(world)).toEqual([]);
  });

  test("of zero replicas is healthy with none", () => {
    const world = new World(0);
    world.settle(3);
    expect(state(world)).toMatchObject({ state: "HEALTHY", running: 0 });
    expect(world.bodies.size).toBe(0);
  });
});

describe("scaling", () => {
  test("up adds the missing ones, down takes the least loaded", () => {
    const world = new World(2);
    world.settle(5);
    world.update({ numReplicas: 4 });
    expect(state(world).state).toBe("UPSCALING");
    world.settle(5);
    expect(state(world)).toMatchObject({ state: "HEALTHY", running: 4 });
    for (const [index, body] of bodies(world, "RUNNING").entries()) body.ongoing = index;
    const [idle, next] = bodies(world, "RUNNING").map(({ record }) => record.id);
    world.update({ numReplicas: 2 });
    world.step();
    expect(bodies(world, "DRAINING").map(({ record }) => record.id)).toEqual([idle, next]);
    expect(state(world)).toMatchObject({ state: "HEALTHY", running: 2, reconciling: true });
  });

  test("down takes, of replicas that are not available yet, what is not routable and what became ready last", () => {
    const world = new World(1);
    world.update({ rollout: { ...defaultRollout, minReadyTimeMs: 60_000 } });
    for (const numReplicas of [1, 2]) {
      world.update({ numReplicas });
      world.settle(5);
      world.nowMs += 1_000;
    }
    world.update({ numReplicas: 4 });
    world.settle(5);
    const [first, second] = bodies(world, "RUNNING").toSorted((a, b) => (a.record.readyAtMs ?? 0) - (b.record.readyAtMs ?? 0));
    expect(world.count("RUNNING")).toBe(4);
    for (const body of bodies(world, "RUNNING")) body.ongoing = body === first || body === second ? 0 : 5;
    world.update({ numReplicas: 2 });
    world.step();
    expect(bodies(world, "RUNNING")).toEqual([first, second]);
    if (first !== undefined) first.answer = "unknown";
    world.update({ numReplicas: 1 });
    world.step();
    expect(bodies(world, "RUNNING")).toEqual([second]);
  });

  test("down takes replicas that do not run yet before those that do", () => {
    const world = new World(2);
    world.settle(5);
    world.update({ numReplicas: 4 });
    world.step();
    world.update({ numReplicas: 3 });
    world.step();
    expect(world.count("RUNNING")).toBe(2);
    expect(world.count("STARTING")).toBe(1);
  });
});

describe("stopping", () => {
  test("a replica with ongoing requests is not terminated before its grace period ends, and killed only after the terminate grace", () => {
    const world = new World(1);
    world.settle(5);
    const [body] = bodies(world, "RUNNING");
    if (body === undefined) throw new Error("one runs");
    body.ongoing = 1;
    world.update({ numReplicas: 0 });
    world.step();
    world.nowMs += 19_999;
    expect(world.step()).toEqual([]);
    world.nowMs += 1;
    expect(world.step()).toContainEqual({ kind: "terminate", replicaId: body.record.id });
    world.nowMs += terminateGraceMs - 1;
    expect(world.step()).toEqual([]);
    world.nowMs += 1;
    expect(world.step()).toContainEqual({ kind: "kill", replicaId: body.record.id });
    body.ending = { kind: "signal", signal: "SIGKILL" };
    world.step();
    expect(body.record).toMatchObject({ state: "STOPPED", departure: { kind: "scaledDown" }, killedAfterMs: terminateGraceMs });
  });

  test("a start that takes long says what is known of the reason", () => {
    const world = new World(1);
    world.step();
    world.step();
    const [body] = bodies(world, "STARTING");
    if (body === undefined) throw new Error("one starts");
    Object.assign(body, { problem: { kind: "nothingListens" }, contactSinceMs: world.nowMs });
    world.nowMs += 4_999;
    expect(world.step()).toEqual([]);
    world.nowMs += 1;
    world.step();
    const wait = { kind: "notServing", problem: { kind: "nothingListens" } };
    expect(conditions(world)).toMatchObject([{ type: "STARTING", reason: "NOT_SERVING", replicaId: body.record.id, more: 0, wait }]);
  });

  test("deleting ends all replicas, then removes the deployment", () => {
    const world = new World(3);
    world.settle(5);
    world.deployment = { ...world.deployment, deletingSinceMs: world.nowMs };
    expect(state(world).state).toBe("DELETING");
    world.settle(10);
    expect(world.bodies.size).toBe(0);
    expect(world.erased).toBe(true);
  });
});

describe("failures", () => {
  test("a failed start is retried with backoff, one at a time, and fails the deployment after five in a row", () => {
    const world = new World(2);
    const tries: number[] = [];
    for (let step = 0; step < 200_000 / 500; step++) {
      const created = world.step().filter(({ kind }) => kind === "create").length;
      if (created > 0) tries.push(world.nowMs - 1_000_000);
      world.failStarting();
      world.nowMs += 500;
    }
    expect(tries.slice(0, 5)).toEqual([0, 1_500, 4_000, 8_500, 17_000]);
    expect(world.progress?.failedStarts).toBeGreaterThanOrEqual(defaultRollout.maxStartFailures);
    expect(state(world)).toMatchObject({ state: "DEPLOY_FAILED", running: 0 });
    expect(conditions(world)).toMatchObject([
      {
        type: "ROLLOUT_FAILED",
        reason: "FAILED_STARTS",
        revision: 1,
        failure: { count: world.progress?.failedStarts, last: { cause: { ending: { kind: "exit", code: 1 }, served: false } } },
      },
    ]);
    expect(world.count("FAILED")).toBe(failedKeptMax);
  });

  test("it recovers by itself when the cause goes away", () => {
    const world = new World(2);
    for (let step = 0; step < 400; step++) {
      world.step();
      world.failStarting();
      world.nowMs += 500;
    }
    world.settle(300);
    expect(state(world).state).toBe("HEALTHY");
    expect(world.progress).toMatchObject({ failedStarts: 0 });
    expect(world.progress?.lastFailure).toBeUndefined();
  });

  test("a replica that ran for long and was killed is replaced at once", () => {
    const world = new World(2);
    world.settle(5);
    world.nowMs += stableAfterMs;
    world.step();
    const [body] = bodies(world, "RUNNING");
    Object.assign(body ?? {}, { process: "exited", ending: { kind: "signal", signal: "SIGKILL" } });
    const actions = world.step();
    expect(actions.filter(({ kind }) => kind === "create")).toHaveLength(1);
    expect(state(world)).toMatchObject({ state: "UNHEALTHY", running: 1 });
    const last = { replicaId: body?.record.id, cause: { ending: { kind: "signal", signal: "SIGKILL" }, served: true } };
    expect(conditions(world).filter(({ type }) => type === "STARTS_FAILING")).toMatchObject([{ failedStarts: 0, last }]);
  });

  test("a replica that crashes soon after it served waits longer each time", () => {
    const world = new World(1);
    let created = 0;
    for (let second = 0; second < 60; second++) {
      created += world.step().filter(({ kind }) => kind === "create").length;
      for (const body of world.bodies.values()) {
        if (body.record.state === "RUNNING") Object.assign(body, crashed(2));
        else world.obey(body);
      }
      world.nowMs += 1_000;
    }
    expect(created).toBeLessThan(8);
    expect(created).toBeGreaterThan(3);
  });

  test("a start that takes longer than startup_timeout has failed, and its process is ended", () => {
    const world = new World(1);
    world.step();
    world.step();
    world.nowMs += 59_999;
    expect(world.step()).toEqual([]);
    world.nowMs += 1;
    world.step();
    expect(world.count("FAILED")).toBe(1);
    expect(world.step()).toContainEqual({ kind: "terminate", replicaId: "app-0" });
  });

  test("time without a controller does not count against a start", () => {
    const world = new World(1);
    world.step();
    const [body] = world.bodies.values();
    world.nowMs += 600_000;
    world.actingSinceMs = world.nowMs;
    if (body !== undefined) body.contactSinceMs = world.nowMs;
    expect(world.step()).toEqual([]);
    world.nowMs += 60_000;
    world.step();
    expect(world.count("FAILED")).toBe(1);
  });

  test("an unhealthy replica is drained and replaced", () => {
    const world = new World(2);
    world.settle(20);
    const [body] = bodies(world, "RUNNING");
    if (body !== undefined) body.answer = "unhealthy";
    world.step();
    expect(world.count("DRAINING")).toBe(1);
    world.settle(10);
    expect(state(world)).toMatchObject({ state: "HEALTHY", running: 2 });
  });
});

describe("a new revision", () => {
  test("takes no running replica away while none of its own ever ran", () => {
    const world = new World(10, { autoRollback: false });
    world.settle(10);
    world.update({ version: "2" }, true);
    for (let step = 0; step < 300; step++) {
      world.step();
      for (const body of bodies(world, "STARTING")) Object.assign(body, crashed(1));
      world.nowMs += 1_000;
      expect(world.count("RUNNING")).toBe(10);
    }
    expect(state(world)).toMatchObject({ state: "DEPLOY_FAILED", running: 10, updated: 0 });
  });

  test("takes one down first where resources are short and nothing may be down", () => {
    const world = new World(2);
    world.slots = 2;
    world.settle(10);
    world.update({ version: "2" }, true);
    world.settle(20);
    expect(state(world)).toMatchObject({ state: "HEALTHY", running: 2, updated: 2 });
  });

  describe.each([
    ["packages", { npm: ["zod"] }],
    ["a bundle", { npm: [], bundle: `sha256:${"0".repeat(64)}` }],
  ])("without surge, to a revision that requires %s,", (_, required) => {
    const runtimeEnv = { workingDir: "", envVars: {}, pip: [], ...required };
    const running = (world: World, revision: number) =>
      bodies(world, "RUNNING").filter(({ record }) => record.revision === revision).length;
    const begun = () => {
      const world = new World(4, { maxSurgePercent: 0 });
      world.settle(20);
      world.update({ runtimeEnv }, true);
      return world;
    };

    test("removes none before the packages are installed, but scales down", () => {
      const world = begun();
      world.packages = { kind: "installing", packages: 1 };
      world.settle(20);
      expect([running(world, 1), world.count("PENDING", "STARTING", "DRAINING")]).toEqual([4, 0]);
      expect(state(world).state).toBe("UPDATING");
      expect(conditions(world)).toMatchObject([{ type: "WAITING_FOR_PACKAGES", packages: 1, revision: 2 }]);
      expect(world.decisions.at(-1)).toMatchObject({ bound: "packages" });
      world.update({ numReplicas: 3 });
      world.settle(20);
      expect(running(world, 1)).toBe(3);
      world.packages = { kind: "ready" };
      world.settle();
      expect(running(world, 2)).toBe(3);
      expect([state(world).state, conditions(world)]).toEqual(["HEALTHY", []]);
    });

    test("fails, with all it had, where they cannot be had", () => {
      const world = begun();
      const ending = { kind: "packagesFailed", problem: { kind: "toolEnded", tool: "npm", end: { kind: "exit", code: 1 } } } as const;
      world.packages = { kind: "failed", ending, lines: ["no such package"] };
      for (let step = 0; step < 200; step++) {
        world.settle(1);
        expect(running(world, 1)).toBe(4);
      }
      expect(state(world)).toMatchObject({ state: "DEPLOY_FAILED", running: 4 });
      const last = { revision: 2, cause: { ending }, lines: ["no such package"] };
      expect(conditions(world)).toMatchObject([
        { type: "ROLLED_BACK", reason: "FAILED_STARTS", revision: 2, to: 1, failure: { count: 5, last } },
      ]);
    });
  });

  test("that can never fit takes nothing down", () => {
    const world = new World(2);
    world.slots = 2;
    world.settle(10);
    world.update({ version: "2", resources: { cpuMilli: 3_000, gpuMilli: 0, memoryBytes: 0 } }, true);
    world.settle(100);
    expect(world.count("RUNNING")).toBe(2);
    expect(state(world)).toMatchObject({ state: "UPDATING", running: 2, updated: 0 });
  });

  test("leaves an old replica that was taken back alone until it has answered", () => {
    const world = new World(2);
    world.settle(10);
    world.update({ version: "2" }, true);
    for (const body of world.bodies.values()) {
      Object.assign(body, { record: { ...body.record, state: "STARTING", sinceMs: world.nowMs }, answer: "unknown", ongoing: 3 });
    }
    world.step();
    world.step();
    expect(world.count("DRAINING", "STOPPED")).toBe(0);
  });
});

test("the table of the semantics holds", () => {
  const down = (n: number) => n - availableMin(n, defaultRollout);
  const extra = (n: number) => replicasMax(n, defaultRollout) - n;
  expect([1, 2, 3, 4, 5, 9, 10, 20].map(down)).toEqual([0, 0, 0, 0, 1, 1, 2, 4]);
  expect([1, 2, 3, 4, 5, 9, 10, 20].map(extra)).toEqual([1, 1, 1, 1, 1, 2, 2, 4]);
});
