import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextRecord, scaled } from "../../../src/core/generations.ts";
import { conditionsOf } from "../../../src/core/rollout/conditions.ts";
import { plan } from "../../../src/core/rollout/plan.ts";
import { statusOf } from "../../../src/core/rollout/status.ts";
import { availableMin, type RolloutPolicy } from "../../../src/core/rollout-policy.ts";
import { crashed, rollsOutWithinBounds, World } from "./plan-world.ts";

const state = (world: World) => statusOf(world.deployment, world.progress, world.records);
const conditions = (world: World) => conditionsOf(world.deployment, world.progress, world.records, { kind: "engine" });
const running = (world: World, revision: number) =>
  world.records.filter((replica) => replica.state === "RUNNING" && replica.revision === revision).length;
const summaries = (world: World) => world.decisions.map(({ summary }) => summary);

/** A deployment that runs in full at revision 1, and now wants revision 2. */
function updating(replicas: number, rollout: Partial<RolloutPolicy> = {}, slots = Number.POSITIVE_INFINITY): World {
  const world = new World(replicas, rollout);
  world.slots = slots;
  world.settle(20);
  world.update({ version: "2" }, true);
  return world;
}

/** Every start of revision 2 fails, for so many seconds; `each` is called after every second. */
function failStarts(world: World, seconds: number, each: () => void = () => {}): void {
  for (let second = 0; second < seconds; second++) {
    world.step();
    world.failStarting(2);
    for (const body of world.bodies.values()) if (body.terminatedAtMs !== undefined) body.process = "exited";
    world.nowMs += 1_000;
    each();
  }
}

describe("the bounds", () => {
  test("hold for every policy and N, whatever the order of events, and the rollout ends", () => {
    const policy = fc.record({
      maxUnavailablePercent: fc.integer({ min: 0, max: 100 }),
      maxSurgePercent: fc.integer({ min: 1, max: 100 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), policy, fc.array(fc.nat(), { minLength: 300, maxLength: 300 }), (n, percents, draws) => {
        const world = updating(n, percents);
        rollsOutWithinBounds(world, n, draws);
      }),
      { numRuns: 60 },
    );
  });

  test("without surge one goes first, and only one until the new revision has shown that it runs", () => {
    const world = updating(10, { maxSurgePercent: 0, maxUnavailablePercent: 50 });
    world.step();
    expect(world.count("RUNNING")).toBe(9);
    for (const body of world.bodies.values()) world.obey(body);
    world.step();
    expect(world.count("RUNNING")).toBe(9);
    world.settle(60);
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 10 });
  });

  test("without surge, and with nothing that may be missing, it goes one by one", () => {
    const world = updating(3, { maxSurgePercent: 0 });
    for (let step = 0; step < 100; step++) {
      world.step();
      expect(world.count("RUNNING")).toBeGreaterThanOrEqual(2);
      expect(world.count("PENDING", "STARTING", "RUNNING")).toBeLessThanOrEqual(3);
      for (const body of world.bodies.values()) world.obey(body);
      world.nowMs += 100;
    }
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 3 });
  });
});

describe("a new replica counts", () => {
  test("only once it has been running for min_ready_time", () => {
    const world = updating(2, { minReadyTimeMs: 5_000 });
    for (let step = 0; step < 5; step++) {
      world.step();
      for (const body of world.bodies.values()) world.obey(body);
    }
    expect([running(world, 1), running(world, 2)]).toEqual([2, 1]);
    world.nowMs += 4_999;
    world.step();
    expect(running(world, 1)).toBe(2);
    world.nowMs += 1;
    world.step();
    expect(running(world, 1)).toBe(1);
    world.settle(40);
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 2 });
  });

  test("and the deployment is not healthy before the last one does", () => {
    const world = new World(1, { minReadyTimeMs: 5_000 });
    for (let step = 0; step < 4; step++) {
      world.step();
      for (const body of world.bodies.values()) world.obey(body);
    }
    expect(state(world)).toMatchObject({ state: "UPDATING", running: 1 });
    world.nowMs += 5_000;
    world.step();
    expect(state(world).state).toBe("HEALTHY");
  });
});

describe("where no new replica finds room", () => {
  test("AUTO takes one down first, and says so", () => {
    const world = updating(2, {}, 2);
    for (let step = 0; step < 30; step++) {
      world.step();
      expect(world.count("RUNNING")).toBeGreaterThanOrEqual(1);
      for (const body of world.bodies.values()) world.obey(body);
      world.nowMs += 100;
    }
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 2 });
    expect(summaries(world).join("\n")).toContain("first, because a new one can start only in its place");
  });

  test("AVAILABILITY waits, and says for what", () => {
    const world = updating(2, { strategy: "AVAILABILITY", progressDeadlineMs: 0 }, 2);
    world.settle(50);
    expect(world.count("RUNNING")).toBe(2);
    expect(state(world).state).toBe("UPDATING");
    const short = [{ resource: "cpu", wanted: 1_000, free: 0, total: 2_000 }];
    expect(conditions(world)).toMatchObject([{ type: "NO_CAPACITY", reason: "BLOCKED", wait: { kind: "resources", short } }]);
    expect(world.decisions.flatMap(({ bound, hold }) => (bound === "capacity" ? hold : []))).toEqual([{ kind: "blocked" }]);
    world.slots = 3;
    world.settle(50);
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 2 });
  });

  test("AVAILABILITY goes on where one may be missing anyway", () => {
    const world = updating(5, { strategy: "AVAILABILITY" }, 5);
    for (let step = 0; step < 60; step++) {
      world.step();
      expect(world.count("RUNNING")).toBeGreaterThanOrEqual(4);
      for (const body of world.bodies.values()) world.obey(body);
      world.nowMs += 100;
    }
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 5 });
  });
});

describe("a rollout that fails", () => {
  test("after max_start_failures in a row goes back to the revision that was healthy, with the old replicas as they are", () => {
    const world = updating(3, { maxStartFailures: 3 });
    const before = world.records.map(({ id }) => id);
    failStarts(world, 20, () => expect(running(world, 1)).toBe(3));
    expect(world.deployment).toMatchObject({ revision: 1, newestRevision: 2, generation: 3, spec: { version: "1" } });
    expect(world.deployment.failedRollout).toMatchObject({ revision: 2 });
    expect(world.records.filter(({ state }) => state === "RUNNING").map(({ id }) => id)).toEqual(before);
    expect(state(world)).toMatchObject({ state: "DEPLOY_FAILED", running: 3, updated: 3, reconciling: false });
    const last = { revision: 2, cause: { ending: { kind: "exit", code: 1 } } };
    expect(conditions(world)).toMatchObject([
      { type: "ROLLED_BACK", reason: "FAILED_STARTS", revision: 2, to: 1, failure: { count: 3, last } },
    ]);
    expect(summaries(world).filter((summary) => summary.includes("goes back to revision 1"))).toHaveLength(1);
  });

  test("starts that the machine had no room for are tried again after a while, and are no failed starts of the revision", () => {
    const world = updating(2, { maxStartFailures: 2 });
    let tries = 0;
    for (let second = 0; second < 100; second++) {
      if (world.step().some(({ kind }) => kind === "create")) tries++;
      world.failStarting(undefined, { kind: "failedToStart", why: "ENOSPC", shortage: true });
      world.nowMs += 1_000;
      expect(running(world, 1)).toBe(2);
    }
    expect(tries).toBeGreaterThan(2);
    expect(tries).toBeLessThan(100);
    expect(world.deployment.revision).toBe(2);
    expect(world.progress?.failedStarts).toBe(0);
    expect(conditions(world)).toMatchObject([{ type: "STARTS_FAILING", last: { cause: { ending: { shortage: true } } } }]);
    world.settle(40);
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 2 });
  });

  test("that state ends when the deployment is written, even without a change", () => {
    const world = updating(2);
    failStarts(world, 60);
    expect(state(world).state).toBe("DEPLOY_FAILED");
    const { deployment } = world;
    world.deployment = nextRecord(deployment, deployment.spec, world.nowMs);
    expect(world.deployment.generation).toBe(deployment.generation);
    expect(state(world).state).toBe("HEALTHY");
    world.deployment = scaled(deployment, 4, world.nowMs);
    world.settle(40);
    expect(state(world)).toMatchObject({ state: "HEALTHY", running: 4, updated: 4 });
    world.deployment = nextRecord(deployment, { ...deployment.spec, version: "3" }, world.nowMs);
    expect(world.deployment).toMatchObject({ revision: 3 });
    expect(world.deployment.rolledBackAtMs).toBeUndefined();
    world.settle(40);
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 2 });
  });

  test("without auto_rollback stays where it is, says why, and goes on trying at the longest backoff", () => {
    const world = updating(2, { autoRollback: false, maxStartFailures: 2 });
    failStarts(world, 30);
    expect(world.deployment.revision).toBe(2);
    expect(state(world)).toMatchObject({ state: "DEPLOY_FAILED", running: 2, updated: 0 });
    const tries: number[] = [];
    for (let second = 0; second < 200; second++) {
      if (world.step().some(({ kind }) => kind === "create")) tries.push(world.nowMs);
      world.failStarting();
      world.nowMs += 1_000;
    }
    const waits = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
    expect(waits.length).toBeGreaterThan(1);
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(60_000);
    world.settle(200);
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 2 });
  });

  test("with no revision that was ever healthy goes on trying, and recovers by itself", () => {
    const world = new World(2);
    for (let second = 0; second < 100; second++) {
      world.step();
      world.failStarting();
      world.nowMs += 1_000;
    }
    expect(world.deployment.revision).toBe(1);
    expect(state(world).state).toBe("DEPLOY_FAILED");
    expect(world.decisions.some(({ bound }) => bound === "no_healthy_revision")).toBe(true);
    world.settle(200);
    expect(state(world).state).toBe("HEALTHY");
  });

  test("by its progress_deadline, which restarts at each replica that becomes available", () => {
    const world = updating(10, { progressDeadlineMs: 30_000 });
    const advance = (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        world.step();
        for (const body of world.bodies.values()) if (body.terminatedAtMs !== undefined) body.process = "exited";
        world.nowMs += 1_000;
      }
    };
    const serveOne = () => {
      const starting = [...world.bodies.values()].find(({ record }) => record.state === "STARTING");
      if (starting !== undefined) starting.answer = "ready";
    };
    for (let round = 0; round < 3; round++) {
      advance(25);
      serveOne();
    }
    expect(world.deployment.revision).toBe(2);
    advance(42);
    expect(world.deployment).toMatchObject({ revision: 1 });
    expect(world.deployment.failedRollout?.cause).toMatchObject({ kind: "progressDeadline", deadlineMs: 30_000 });
    world.settle(60);
    expect(state(world)).toMatchObject({ state: "DEPLOY_FAILED", running: 10, updated: 10 });
  });

  test("not by a progress_deadline shorter than the time after which a replica is stable, once it is complete", () => {
    const world = updating(2, { progressDeadlineMs: 3_000 });
    for (let second = 0; second < 30; second++) {
      world.step();
      for (const body of world.bodies.values()) {
        if (body.record.state === "STARTING") body.answer = "ready";
        if (body.terminatedAtMs !== undefined) body.process = "exited";
      }
      world.nowMs += 1_000;
    }
    expect(world.deployment.revision).toBe(2);
    expect(world.deployment.failedRollout).toBeUndefined();
    expect(state(world)).toMatchObject({ state: "HEALTHY", running: 2, updated: 2 });
  });

  test("time without a leader, or in which it is paused, does not count against its deadline", () => {
    const world = updating(2, { progressDeadlineMs: 30_000 });
    world.step();
    world.nowMs += 100_000;
    world.actingSinceMs = world.nowMs;
    world.step();
    world.nowMs += 20_000;
    world.deployment = { ...world.deployment, pausedSinceMs: world.nowMs };
    world.nowMs += 100_000;
    world.step();
    const { pausedSinceMs, ...going } = world.deployment;
    world.deployment = { ...going, resumedAtMs: world.nowMs };
    world.nowMs += 29_000;
    world.step();
    expect(world.deployment.revision).toBe(2);
  });

  test("a rollback is never rolled back", () => {
    const world = updating(2);
    world.settle(40);
    world.rollback(1);
    for (let second = 0; second < 100; second++) {
      world.step();
      world.failStarting();
      world.nowMs += 1_000;
    }
    expect(world.deployment.revision).toBe(1);
    expect(state(world)).toMatchObject({ state: "DEPLOY_FAILED", running: 2, updated: 0 });
    world.settle(200);
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 2 });
  });

  test("a revision of which replicas were available is not left for failed starts", () => {
    const world = updating(5, { progressDeadlineMs: 0 });
    world.step();
    for (const body of world.bodies.values()) world.obey(body);
    world.step();
    expect(running(world, 2)).toBe(1);
    failStarts(world, 100);
    expect(world.deployment.revision).toBe(2);
  });
});

describe("a rollout that is paused", () => {
  const pause = (world: World) => {
    world.deployment = { ...world.deployment, pausedSinceMs: world.nowMs };
  };
  const resume = (world: World) => {
    const { pausedSinceMs, ...going } = world.deployment;
    world.deployment = { ...going, resumedAtMs: world.nowMs };
  };

  test("replaces nothing, and goes on when it is resumed", () => {
    const world = updating(10);
    for (let step = 0; step < 3; step++) {
      world.step();
      for (const body of world.bodies.values()) world.obey(body);
    }
    const [old, fresh] = [running(world, 1), running(world, 2)];
    expect(fresh).toBeGreaterThan(0);
    expect(old).toBeGreaterThan(0);
    pause(world);
    world.settle(50);
    expect(running(world, 1)).toBe(old);
    expect(state(world)).toMatchObject({ state: "UPDATING" });
    expect(conditions(world)).toContainEqual({ type: "ROLLOUT_PAUSED", reason: "REQUESTED", sinceMs: world.deployment.pausedSinceMs });
    expect(world.decisions.filter(({ hold }) => hold?.kind === "paused")).toHaveLength(1);
    resume(world);
    world.settle(50);
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 10 });
  });

  test("starts what is missing of the revision that ran in full before", () => {
    const world = updating(4);
    pause(world);
    const [body] = world.bodies.values();
    Object.assign(body ?? {}, crashed(1));
    world.settle(20);
    expect([running(world, 1), running(world, 2)]).toEqual([4, 0]);
    world.update({ numReplicas: 6 });
    world.settle(20);
    expect([running(world, 1), running(world, 2)]).toEqual([6, 0]);
    world.update({ numReplicas: 2 });
    world.settle(20);
    expect([running(world, 1), running(world, 2)]).toEqual([2, 0]);
  });

  test("is on its way again after a rollback", () => {
    const world = updating(4);
    pause(world);
    world.rollback(1);
    world.settle(20);
    expect(world.deployment.pausedSinceMs).toBeUndefined();
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 4 });
  });
});

describe("in the middle of a rollout", () => {
  test("a newer revision is gone to straight away", () => {
    const world = updating(10);
    for (let step = 0; step < 4; step++) {
      world.step();
      for (const body of world.bodies.values()) world.obey(body);
    }
    world.update({ version: "3" }, true);
    let created = new Set<number>();
    for (let step = 0; step < 100; step++) {
      for (const action of world.step()) if (action.kind === "create") created = created.add(action.revision);
      for (const body of world.bodies.values()) world.obey(body);
      world.nowMs += 100;
      expect(world.count("RUNNING")).toBeGreaterThanOrEqual(8);
    }
    expect([...created]).toEqual([3]);
    expect(state(world)).toMatchObject({ state: "HEALTHY", updated: 10 });
  });

  test("a change of scale changes the plan, within the bounds of the new target", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 15 }),
        fc.integer({ min: 1, max: 15 }),
        fc.array(fc.nat(), { minLength: 20, maxLength: 60 }),
        (n, m, draws) => {
          const world = updating(n);
          const play = () => {
            for (const draw of draws) {
              const available = world.count("RUNNING");
              world.step();
              // Where there are too few, none is taken away.
              expect(world.count("RUNNING")).toBeGreaterThanOrEqual(
                Math.min(available, availableMin(world.deployment.spec.numReplicas, world.deployment.spec.rollout)),
              );
              const all = [...world.bodies.values()];
              const body = all[draw % all.length];
              if (body !== undefined) world.obey(body);
              world.nowMs += 10;
            }
          };
          play();
          world.update({ numReplicas: m });
          play();
          world.settle(100);
          expect(state(world)).toMatchObject({ state: "HEALTHY", running: m, updated: m });
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("decisions", () => {
  test("are kept for what is done and for a new reason to wait, and for nothing else", () => {
    const world = updating(10);
    world.settle(60);
    const [first] = world.decisions.filter(({ summary }) => summary.includes("revision 2"));
    expect(first).toMatchObject({
      summary: "starts 2 replicas of revision 2",
      bound: "unproven",
      inputs: { target: 10, available: 10, new: 0, old: 10 },
    });
    expect(first?.rules).toContainEqual({ name: "max_surge", value: 12, meaning: "at most 12 run or start (10 and 20 %)" });
    expect(summaries(world).at(-1)).toBe("revision 2 runs in full: 10 replicas");
    expect(world.decisions.length).toBeLessThan(30);
    expect(plan(world.input)).toEqual([]);
  });

  test("report each failed start once", () => {
    const world = updating(2, { maxStartFailures: 4 });
    failStarts(world, 12);
    expect(world.decisions.flatMap(({ hold }) => (hold?.kind === "backoff" ? hold.failedStarts : []))).toEqual([1, 2, 3]);
  });
});
