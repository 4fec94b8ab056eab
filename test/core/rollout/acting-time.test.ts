// A controller that begins to act finds times of a former one, and somebody may have set the
// machine's clock in between: it may be an hour later by these times, although no time has passed.
import { expect, test } from "vitest";
import { elapsedMs } from "../../../src/core/acting-time.ts";
import { newestTimeMs } from "../../../src/core/newest-time.ts";
import { crashed, World } from "./plan-world.ts";

const hourMs = 3_600_000;

/** Another controller takes over at once, and its clock says that an hour has passed. */
function takeOver(world: World): void {
  world.nowMs += hourMs;
  world.actingSinceMs = world.nowMs;
  for (const body of world.bodies.values()) body.contactSinceMs = world.nowMs;
}

const isTerminated = (world: World) => [...world.bodies.values()].some(({ terminatedAtMs }) => terminatedAtMs !== undefined);

test("only the time in which the present controller acts counts", () => {
  expect(elapsedMs(1_000, { nowMs: 5_000, actingSinceMs: 0 })).toBe(4_000);
  expect(elapsedMs(1_000, { nowMs: hourMs, actingSinceMs: hourMs - 10 })).toBe(10);
});

test("a replica that drains keeps its whole grace period", () => {
  const world = new World(1);
  world.settle(5);
  world.update({ numReplicas: 0 });
  for (const body of world.bodies.values()) body.ongoing = 1;
  world.step();
  expect(world.count("DRAINING")).toBe(1);
  takeOver(world);
  world.step();
  world.nowMs += world.deployment.spec.gracefulShutdownTimeoutMs - 1;
  world.step();
  expect(isTerminated(world)).toBe(false);
  world.nowMs += 1;
  world.step();
  expect(isTerminated(world)).toBe(true);
});

test("a start keeps its whole startup_timeout", () => {
  const world = new World(1);
  world.step();
  expect(world.count("STARTING")).toBe(1);
  takeOver(world);
  world.step();
  world.nowMs += world.deployment.spec.startupTimeoutMs - 1;
  world.step();
  expect(world.count("STARTING", "FAILED")).toBe(1);
  expect(world.count("FAILED")).toBe(0);
});

test("the wait after a failed start begins anew, and ends", () => {
  const world = new World(1);
  world.step();
  for (const body of world.bodies.values()) Object.assign(body, crashed(1));
  world.step();
  world.nowMs += 900;
  takeOver(world);
  world.step();
  expect(world.count("PENDING", "STARTING")).toBe(0);
  world.nowMs += 1_000;
  world.step();
  expect(world.count("PENDING", "STARTING")).toBe(1);
});

test("a replica counts as available after a whole min_ready_time, and the deadline of a rollout begins anew", () => {
  const world = new World(1, { minReadyTimeMs: 5_000, progressDeadlineMs: 20_000 });
  world.settle(20);
  world.update({ version: "2" }, true);
  world.step();
  for (const body of world.bodies.values()) world.obey(body);
  world.step();
  takeOver(world);
  world.step();
  world.nowMs += 4_999;
  world.step();
  expect(world.records.filter(({ state, revision }) => state === "RUNNING" && revision === 1)).toHaveLength(1);
  world.nowMs += 1;
  world.step();
  expect(world.records.filter(({ state, revision }) => state === "RUNNING" && revision === 1)).toHaveLength(0);
  expect(world.progress?.rolloutFailure).toBeUndefined();
});

test("a pause that another controller noted by its own clock forgives failures all the same", () => {
  for (const aheadMs of [-hourMs, 0, hourMs]) {
    const world = new World(1);
    world.step();
    for (const body of world.bodies.values()) Object.assign(body, crashed(1));
    world.step();
    expect(world.progress?.failedStarts).toBe(1);
    world.deployment = { ...world.deployment, resumedAtMs: world.nowMs + aheadMs };
    world.step();
    expect(world.progress).toMatchObject({ failedStarts: 0 });
  }
});

test("the newest time of the records is that of the latest event, and no retry that is put off", () => {
  const world = new World(1);
  world.step();
  for (const body of world.bodies.values()) Object.assign(body, crashed(1));
  world.step();
  expect(newestTimeMs(world.records, world.progress === undefined ? [] : [world.progress])).toBe(world.nowMs);
  expect(newestTimeMs([], [])).toBe(Number.NEGATIVE_INFINITY);
});
