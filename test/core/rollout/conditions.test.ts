import { describe, expect, test } from "vitest";
import type { DeploymentRecord } from "../../../src/core/deployment.ts";
import type { Room } from "../../../src/core/placement/room.ts";
import { holds, type ReplicaRecord } from "../../../src/core/replica.ts";
import { conditionsOf, isBlockedByCapacity } from "../../../src/core/rollout/conditions.ts";
import { World } from "./plan-world.ts";

/** Two replicas run at revision 1, and there is room for no third one. */
function full(rollout: ConstructorParameters<typeof World>[1]): World {
  const world = new World(2, rollout);
  world.slots = 2;
  world.settle(20);
  world.update({ version: "2" }, true);
  return world;
}

const conditions = (world: World) => conditionsOf(world.deployment, world.progress, world.records, { kind: "engine" });

test("replicas on another node are out of sight, whatever else is well, and an engine's own nodes never are", () => {
  const world = full({});
  const records = world.records.map((replica, at) => ({ ...replica, node: at === 0 ? "here" : "there" }));
  const capacity = { cpuMilli: 0, gpuCount: 0, memoryBytes: 0 };
  const seenBy = (room: Room) =>
    conditionsOf(world.deployment, world.progress, records, room).filter(({ type }) => type === "REPLICAS_UNSEEN");
  const there = records.filter(({ node, state }) => node === "there" && holds(state));
  expect(there.length).toBeGreaterThan(0);
  expect(seenBy({ kind: "ledger", node: "here", capacity })).toMatchObject([
    { reason: "OTHER_NODE", node: "there", replicaId: there[0]?.id, more: there.length - 1 },
  ]);
  expect(seenBy({ kind: "engine" })).toEqual([]);
});

describe("a rollout is blocked by capacity", () => {
  const blocked = () => {
    const world = full({ strategy: "AVAILABILITY", progressDeadlineMs: 0 });
    world.settle(20);
    return world;
  };
  const isBlocked = (world: World, change: (replica: ReplicaRecord) => ReplicaRecord, deployment: Partial<DeploymentRecord> = {}) =>
    isBlockedByCapacity({ ...world.deployment, ...deployment }, world.records.map(change));
  const same = (replica: ReplicaRecord) => replica;

  test("where a new replica waits for room, old ones hold it, and none of these may be missing", () => {
    const world = blocked();
    expect(isBlocked(world, same)).toBe(true);
    const [waiting] = world.records.filter(({ state }) => state === "PENDING");
    expect(conditions(world)).toMatchObject([
      { type: "NO_CAPACITY", reason: "BLOCKED", replicaId: waiting?.id, more: 0, wait: waiting?.waits, sinceMs: waiting?.createdAtMs },
    ]);
  });

  test("not where one may be missing, where it is paused, or where something starts or ends, which may make room", () => {
    const world = blocked();
    const { spec } = world.deployment;
    const withRollout = (rollout: object) => ({ spec: { ...spec, rollout: { ...spec.rollout, ...rollout } } });
    expect(isBlocked(world, same, withRollout({ strategy: "AUTO" }))).toBe(false);
    expect(isBlocked(world, same, withRollout({ maxUnavailablePercent: 50 }))).toBe(false);
    expect(isBlocked(world, same, { pausedSinceMs: 1 })).toBe(false);
    const [old] = world.records;
    for (const state of ["STARTING", "DRAINING"] as const)
      expect(isBlocked(world, (replica) => (replica.id === old?.id ? { ...replica, state } : replica))).toBe(false);
  });

  test("not where nothing waits for room, or where what waits can never have it", () => {
    const world = blocked();
    expect(isBlocked(world, ({ waits, ...replica }) => replica)).toBe(false);
    const never = (replica: ReplicaRecord): ReplicaRecord =>
      replica.waits ? { ...replica, waits: { kind: "neverFits", short: [] } } : replica;
    expect(isBlocked(world, never)).toBe(false);
    expect(conditionsOf(world.deployment, world.progress, world.records.map(never), { kind: "engine" })).toMatchObject([
      { type: "NO_CAPACITY", reason: "NEVER_FITS" },
    ]);
  });
});

test("replicas that start are counted apart from replicas whose packages are being installed", () => {
  const world = new World(4);
  world.step();
  world.step();
  const [, ...others] = [...world.bodies.values()];
  for (const body of others) body.record = { ...body.record, waits: { kind: "packages", packages: 2 } };
  expect(conditions(world)).toMatchObject([
    { type: "STARTING", reason: "LAUNCHED", more: 0 },
    { type: "WAITING_FOR_PACKAGES", replicaId: others[0]?.record.id, more: 2, packages: 2, revision: 1 },
  ]);
});

test("failed starts wait for the next attempt, which is one condition", () => {
  const world = new World(1);
  const failing = () => conditions(world).filter(({ type }) => type === "STARTS_FAILING");
  world.step();
  world.failStarting();
  world.step();
  expect(failing()).toMatchObject([{ reason: "BACKOFF", failedStarts: 1, retryAtMs: world.nowMs + 1_000, sinceMs: world.nowMs }]);
  world.nowMs += 1_000;
  world.step();
  expect(failing()).toMatchObject([{ reason: "TRYING", failedStarts: 1 }]);
});

test("a failed rollout keeps the time of its failure at every tick", () => {
  const world = new World(1, { maxStartFailures: 1 });
  world.step();
  world.failStarting();
  world.step();
  const failedAtMs = world.nowMs;
  world.nowMs += 5_000;
  world.step();
  expect(conditions(world)).toContainEqual(
    expect.objectContaining({ type: "ROLLOUT_FAILED", reason: "FAILED_STARTS", sinceMs: failedAtMs }),
  );
});

test("a deployment that is being deleted says how many replicas are left, and nothing else", () => {
  const world = full({});
  world.deployment = { ...world.deployment, deletingSinceMs: world.nowMs, pausedSinceMs: 1 };
  expect(conditions(world)).toEqual([{ type: "DELETING", reason: "REQUESTED", sinceMs: world.nowMs, replicasLeft: 2 }]);
});
