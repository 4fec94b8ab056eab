// Goal: whatever engine runs the replicas, the loops find the same facts. Method: one suite, run on
// the engine of this machine with real processes, on its simulated twin, whoever of core and the
// engine places, and on the engine of the benchmarks.
import { describe, expect, onTestFinished, test } from "vitest";
import { CrowdedEngine, crowdProgram } from "../../bench/crowded-engine.ts";
import { realClock } from "../../src/clock/real.ts";
import { digestOf } from "../../src/core/bundle.ts";
import type { Engine, EngineReplica } from "../../src/engine/engine.ts";
import { assignment } from "../engine/assignment.ts";
import { eventually, openEngine, testFolder } from "../engine/local/engine-harness.ts";
import { KeptBundles } from "../engine/local/kept-bundles.ts";
import { SimulatedEngine } from "../sim/simulated-engine.ts";

interface Subject {
  readonly engine: Engine;
  /** A program that goes on until it is stopped, and one that cannot be started. */
  readonly runs: readonly string[];
  readonly cannotStart: readonly string[];
  /** A bundle in which `runs` runs. */
  readonly bundle: string;
  /** The next controller's engine, once this one is closed. */
  next(): Promise<Engine>;
}

/** For engines that read none. */
const anyBundle = digestOf("0".repeat(64));

async function local(): Promise<Subject> {
  const folder = await testFolder();
  const bundles = new KeptBundles();
  const bundle = bundles.keep({ "data/a.txt": "" });
  const runs = ["sh", "-c", "exec sleep 1000"];
  const open = () => openEngine(folder, { bundles });
  return { engine: await open(), runs, cannotStart: ["no-such-program"], bundle, next: open };
}

async function simulated(slots?: ReadonlyMap<string, number>): Promise<Subject> {
  const engine = new SimulatedEngine({
    clock: realClock,
    capacity: { cpuMilli: 10_000, gpuCount: 0, memoryBytes: 2 ** 30 },
    fate: ({ program }) => ({
      launchError: program.kind === "command" && program.argv[0] === "missing" ? "program missing was not found" : "",
    }),
    ...(slots && { slots }),
  });
  return { engine, runs: ["app"], cannotStart: ["missing"], bundle: anyBundle, next: async () => engine };
}

async function crowded(): Promise<Subject> {
  const engine = new CrowdedEngine(await testFolder(), 1);
  onTestFinished(() => engine.end());
  return { engine, runs: [crowdProgram], cannotStart: ["no-such-program"], bundle: anyBundle, next: async () => engine };
}

const nodes = new Map([
  ["node-1", 2],
  ["node-2", 2],
]);

const engines = [
  ["of this machine", local],
  ["simulated", () => simulated()],
  ["simulated, which places replicas itself", () => simulated(nodes)],
  ["of the benchmarks", crowded],
] as const;

async function find(engine: Engine, replicaId: string): Promise<EngineReplica | undefined> {
  return (await engine.list()).replicas.find((replica) => replica.replicaId === replicaId);
}

async function inState(engine: Engine, replicaId: string, state: EngineReplica["state"]): Promise<EngineReplica> {
  let found: EngineReplica | undefined;
  await eventually(async () => {
    found = await find(engine, replicaId);
    return found?.state === state;
  });
  if (found === undefined) throw new Error("it was there a moment ago");
  return found;
}

describe.each(engines)("an engine %s", (_, open) => {
  test("lists what it places by as a node of which no replica is missing", async () => {
    const { engine } = await open();
    const room = engine.room();
    const { replicas, complete } = await engine.list();
    expect(replicas).toEqual([]);
    if (room.kind === "ledger") expect(complete === "all" || complete.has(room.node)).toBe(true);
    else expect(complete).toBe("all");
  });

  test("lists a replica from its start on, as it was assigned, with its node and address", async () => {
    const { engine, runs } = await open();
    const asked = assignment("r1", runs, { deployment: "echo", uid: "uid-9", revision: 4, token: "secret", gpuIndexes: [1] });
    await engine.start(asked);
    const { deployment, uid, revision, token, resources, gpuIndexes } = asked;
    const given = { replicaId: "r1", deployment, uid, revision, token, resources, gpuIndexes };
    expect(await find(engine, "r1")).toMatchObject(given);
    expect((await find(engine, "r1"))?.terminatedAtMs).toBeUndefined();
    const placed = await inState(engine, "r1", "alive");
    expect(placed).toMatchObject(given);
    expect(placed.address).toMatch(/^unix:\/.+|.+:\d+$/);
    expect(placed.handle).toBeTruthy();
    expect(placed.unplaced).toBeUndefined();
    expect(placed.ending).toBeUndefined();
    const { complete } = await engine.list();
    expect(placed.node !== undefined && (complete === "all" || complete.has(placed.node))).toBe(true);
    const room = engine.room();
    if (room.kind === "ledger") expect(placed.node).toBe(room.node);
  });

  test("gives each replica its own address; address and node stay until it is forgotten", async () => {
    const { engine, runs } = await open();
    for (const id of ["r1", "r2", "r3"]) await engine.start(assignment(id, runs));
    const placed = await Promise.all(["r1", "r2", "r3"].map((id) => inState(engine, id, "alive")));
    expect(new Set(placed.map(({ address }) => address)).size).toBe(3);
    await engine.stop("r1", "kill");
    const { node, address } = await inState(engine, "r1", "exited");
    expect({ node, address }).toEqual({ node: placed[0]?.node, address: placed[0]?.address });
  });

  test("refuses a second start of a replica, and the first goes on", async () => {
    const { engine, runs } = await open();
    await engine.start(assignment("r1", runs, { token: "first" }));
    await expect(engine.start(assignment("r1", runs, { token: "second" }))).rejects.toThrow("r1");
    expect((await engine.list()).replicas).toHaveLength(1);
    const { token, terminatedAtMs } = await inState(engine, "r1", "alive");
    expect({ token, terminatedAtMs }).toEqual({ token: "first", terminatedAtMs: undefined });
  });

  test("refuses what cannot be started, and keeps nothing of it", async () => {
    const { engine, runs, cannotStart } = await open();
    await expect(engine.start(assignment("r1", cannotStart))).rejects.toThrow("program");
    expect((await engine.list()).replicas).toEqual([]);
    await engine.start(assignment("r1", runs));
    await inState(engine, "r1", "alive");
  });

  test.each(["terminate", "kill"] as const)("ends one replica on %s, no other, and calls the listener once", async (how) => {
    const { engine, runs } = await open();
    for (const id of ["r1", "r2"]) await engine.start(assignment(id, runs));
    for (const id of ["r1", "r2"]) await inState(engine, id, "alive");
    const ended: string[] = [];
    engine.onExit((id) => ended.push(id));
    await engine.stop("r1", how);
    const { terminatedAtMs, ending } = await inState(engine, "r1", "exited");
    expect(terminatedAtMs !== undefined).toBe(how === "terminate");
    expect(ending).toBeDefined();
    await engine.stop("r1", "terminate");
    await engine.stop("r1", "kill");
    const [first, second] = [await find(engine, "r1"), await find(engine, "r2")];
    expect([first?.state, first?.terminatedAtMs, first?.ending]).toEqual(["exited", terminatedAtMs, ending]);
    expect([second?.state, second?.terminatedAtMs]).toEqual(["alive", undefined]);
    expect(ended).toEqual(["r1"]);
  });

  test("keeps the time of the first SIGTERM", async () => {
    const { engine, runs } = await open();
    await engine.start(assignment("r1", runs));
    await inState(engine, "r1", "alive");
    await engine.stop("r1", "terminate");
    const first = (await find(engine, "r1"))?.terminatedAtMs;
    await engine.stop("r1", "terminate");
    expect(first).toBeGreaterThan(0);
    expect((await inState(engine, "r1", "exited")).terminatedAtMs).toBe(first);
  });

  test("forgets a replica that has ended, and no other", async () => {
    const { engine, runs } = await open();
    await engine.start(assignment("r1", runs));
    await inState(engine, "r1", "alive");
    await expect(engine.forget("r1")).rejects.toThrow("r1 is still alive");
    await engine.stop("r1", "kill");
    await inState(engine, "r1", "exited");
    await engine.forget("r1");
    expect((await engine.list()).replicas).toEqual([]);
    await engine.start(assignment("r1", runs));
    await inState(engine, "r1", "alive");
  });

  test("treats an unknown replica like one that has ended and was forgotten", async () => {
    const { engine } = await open();
    await engine.stop("nobody", "terminate");
    await engine.stop("nobody", "kill");
    await engine.forget("nobody");
    expect(await engine.lastErrors("nobody", 10)).toEqual([]);
    const lines: unknown[] = [];
    for await (const line of engine.logs("nobody", { tailLines: 10, follow: true }, new AbortController().signal)) lines.push(line);
    expect(lines).toEqual([]);
  });

  test("returns lists that do not change later", async () => {
    const { engine, runs } = await open();
    await engine.start(assignment("r1", runs));
    await inState(engine, "r1", "alive");
    const before = await engine.list();
    await engine.stop("r1", "kill");
    await inState(engine, "r1", "exited");
    await engine.forget("r1");
    expect(before.replicas).toMatchObject([{ replicaId: "r1", state: "alive" }]);
  });

  test("leaves replicas running when it is closed, and the next controller finds them as they were", async () => {
    const { engine, runs, next } = await open();
    for (const id of ["r1", "r2"]) await engine.start(assignment(id, runs));
    const before = await Promise.all(["r1", "r2"].map((id) => inState(engine, id, "alive")));
    const ended: string[] = [];
    engine.onExit((id) => ended.push(id));
    await engine.close();
    const second = await next();
    expect((await second.list()).replicas.toSorted((a, b) => (a.replicaId < b.replicaId ? -1 : 1))).toEqual(before);
    await second.stop("r1", "kill");
    await inState(second, "r1", "exited");
    expect(ended).toEqual([]);
  });

  test("prepares a bundle, and starts replicas in it, which outlive the controller", async () => {
    const { engine, runs, bundle, next } = await open();
    await eventually(() => engine.prepare("r1", { npm: [], pip: [], bundle }).kind === "ready");
    for (const id of ["r1", "r2"]) await engine.start(assignment(id, runs, { bundle }));
    for (const id of ["r1", "r2"]) await inState(engine, id, "alive");
    await eventually(async () => (await find(engine, "r2"))?.handle !== undefined);
    await engine.stop("r1", "kill");
    await inState(engine, "r1", "exited");
    await engine.close();
    const second = await next();
    expect((await find(second, "r2"))?.state).toBe("alive");
    await second.start(assignment("r3", runs, { bundle }));
    await eventually(async () => (await find(second, "r3"))?.handle !== undefined);
  });

  test("has packages ready where none are required", async () => {
    const { engine } = await open();
    expect(engine.prepare("r1", { npm: [], pip: [] })).toEqual({ kind: "ready" });
  });
});

test("an engine that places says of a replica without room why it waits, and places it when there is room", async () => {
  const { engine, runs } = await simulated(new Map([["node-1", 1]]));
  await engine.start(assignment("r1", runs));
  await engine.start(assignment("r2", runs));
  const { node, address, handle, unplaced } = await inState(engine, "r2", "waiting");
  expect([node, address, handle]).toEqual([undefined, undefined, undefined]);
  expect(unplaced).toBeTruthy();
  const told: string[] = [];
  engine.onExit((id) => told.push(id));
  await engine.stop("r1", "kill");
  const placed = await inState(engine, "r2", "alive");
  expect([placed.node, placed.unplaced]).toEqual(["node-1", undefined]);
  expect(told).toContain("r2");
});

test("an engine that places takes back a replica that waits", async () => {
  const { engine, runs } = await simulated(new Map([["node-1", 0]]));
  await engine.start(assignment("r1", runs));
  await engine.stop("r1", "terminate");
  await inState(engine, "r1", "exited");
  await engine.forget("r1");
  expect((await engine.list()).replicas).toEqual([]);
});

test("an engine lists no replica of a node that it does not see, and does not call that node complete", async () => {
  const { engine, runs } = await simulated(nodes);
  if (!(engine instanceof SimulatedEngine)) throw new Error("only the simulated engine hides nodes");
  for (const id of ["r1", "r2", "r3"]) await engine.start(assignment(id, runs));
  engine.hide("node-2");
  const { replicas, complete } = await engine.list();
  expect(replicas.map(({ replicaId, node }) => [replicaId, node])).toEqual([
    ["r1", "node-1"],
    ["r2", "node-1"],
  ]);
  expect(complete).toEqual(new Set(["node-1"]));
  engine.show("node-2");
  expect((await engine.list()).complete).toBe("all");
});
