import { execFile, spawn } from "node:child_process";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { recordAndExec } from "../../../src/engine/local/process-identity.ts";
import { assignment } from "../assignment.ts";
import {
  ended,
  eventually,
  find,
  isAlive,
  linesOf,
  openEngine,
  pidOf,
  printed,
  replicasOf,
  startShell,
  testFolder,
} from "./engine-harness.ts";

const pidFileOf = (folder: string, replicaId: string) => join(folder, "replicas", replicaId, "pid");

describe("a replica of a former controller", () => {
  test("is found alive, as it was started, by its pid", async () => {
    const folder = await testFolder();
    const first = await openEngine(folder);
    await first.start(assignment("r1", ["sleep", "1000"], { gpuIndexes: [1], token: "t" }));
    const before = await find(first, "r1");
    await first.close();
    const pid = pidOf(first, "r1");
    expect(await isAlive(pid)).toBe(true);
    const second = await openEngine(folder);
    expect(await replicasOf(second)).toEqual([before]);
    expect(pidOf(second, "r1")).toBe(pid);
    expect(before).toMatchObject({
      state: "alive",
      deployment: "echo",
      uid: "uid-1",
      revision: 3,
      gpuIndexes: [1],
      token: "t",
      ending: undefined,
    });
  });

  test("that ends is noticed, and can be terminated, killed and forgotten", async () => {
    const folder = await testFolder();
    const first = await openEngine(folder);
    for (const id of ["r1", "r2", "r3"]) await startShell(first, id, "trap '' HUP; exec sleep 1000");
    const second = await openEngine(folder);
    const exits: string[] = [];
    second.onExit((id) => exits.push(id));
    await second.stop("r1", "terminate");
    await second.stop("r2", "kill");
    expect(await ended(second, "r1")).toMatchObject({ ending: { kind: "unknown" } });
    expect((await ended(second, "r1")).terminatedAtMs).toBeGreaterThan(0);
    await ended(second, "r2");
    expect(exits.sort()).toEqual(["r1", "r2"]);
    await second.forget("r1");
    await second.forget("r2");
    expect((await replicasOf(second)).map(({ replicaId, state }) => [replicaId, state])).toEqual([["r3", "alive"]]);
  });

  test("that ended before is found with how it ended, where its controller noticed, and when it was asked to", async () => {
    const folder = await testFolder();
    const first = await openEngine(folder);
    await startShell(first, "r1", "echo why >&2; exit 7");
    await startShell(first, "r2", "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    await printed(first, "r2", "ready");
    await first.stop("r2", "terminate");
    const { terminatedAtMs } = await find(first, "r2");
    await ended(first, "r1");
    await eventually(() =>
      stat(join(folder, "replicas", "r1", "ending")).then(
        () => true,
        () => false,
      ),
    );
    await first.close();
    const second = await openEngine(folder);
    expect(await find(second, "r1")).toMatchObject({ state: "exited", ending: { kind: "exit", code: 7 } });
    expect(await second.lastErrors("r1", 1)).toEqual(["why"]);
    expect(await find(second, "r2")).toMatchObject({ state: "alive", terminatedAtMs });
    expect(terminatedAtMs).toBeGreaterThan(0);
  });

  test("whose pid now belongs to another process has ended, and that process is left alone", async () => {
    const folder = await testFolder();
    const first = await openEngine(folder);
    await startShell(first, "r1", "exec env -u DROVER_REPLICA_ID -u DROVER_LISTEN sleep 1000");
    const pid = pidOf(first, "r1");
    await first.close();
    // The same pid, started at another time.
    const record = await readFile(pidFileOf(folder, "r1"), "utf8");
    const fields = record.split(" ");
    fields[21] = String(Number(fields[21]) - 1);
    await writeFile(pidFileOf(folder, "r1"), fields.join(" "));
    const second = await openEngine(folder);
    expect(await find(second, "r1")).toMatchObject({ state: "exited", ending: { kind: "unknown" } });
    await second.stop("r1", "terminate");
    await second.stop("r1", "kill");
    await second.forget("r1");
    expect(await isAlive(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
  });

  test("of an earlier start of the machine has ended", async () => {
    const folder = await testFolder();
    const first = await openEngine(folder);
    await startShell(first, "r1", "exec sleep 1000");
    const path = join(folder, "replicas", "r1", "replica.json");
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), boot: "another" }));
    expect(await find(await openEngine(folder), "r1")).toMatchObject({ state: "exited" });
  });
});

describe("a controller that died in the middle of a start", () => {
  test("before the process: the replica never started, and a process that comes late does not run", async () => {
    const folder = await testFolder();
    const first = await openEngine(folder);
    await startShell(first, "r1", "exit");
    const facts = await readFile(join(folder, "replicas", "r1", "replica.json"), "utf8");
    await mkdir(join(folder, "replicas", "r2"));
    await writeFile(join(folder, "replicas", "r2", "replica.json"), facts.replaceAll("r1", "r2"));
    const second = await openEngine(folder);
    expect(await find(second, "r2")).toMatchObject({ state: "exited", ending: { kind: "neverStarted" } });
    const late = promisify(execFile)("/bin/sh", ["-c", recordAndExec, pidFileOf(folder, "r2"), "touch", join(folder, "ran")]);
    await expect(late).rejects.toThrow();
    await expect(stat(join(folder, "ran"))).rejects.toThrow("ENOENT");
    await second.forget("r2");
  });

  test("before it wrote down what it starts: nothing is left of it", async () => {
    const folder = await testFolder();
    await mkdir(join(folder, "replicas", "r1"), { recursive: true });
    await writeFile(join(folder, "replicas", "r1", "replica.json.part"), '{"replica');
    expect(await replicasOf(await openEngine(folder))).toEqual([]);
    await expect(stat(join(folder, "replicas", "r1"))).rejects.toThrow("ENOENT");
  });

  test("a folder that cannot be read is left alone and does not keep the others from being found", async () => {
    const folder = await testFolder();
    const first = await openEngine(folder);
    await startShell(first, "r2", "exec sleep 1000");
    await mkdir(join(folder, "replicas", "r1"));
    await writeFile(join(folder, "replicas", "r1", "replica.json"), "not JSON");
    expect((await replicasOf(await openEngine(folder))).map(({ replicaId }) => replicaId)).toEqual(["r2"]);
    expect(await readFile(join(folder, "replicas", "r1", "replica.json"), "utf8")).toBe("not JSON");
  });
});

/**
 * A controller of its own: opens an engine on the folder `argv[1]`, starts a replica (`argv[3]`),
 * says its pid and goes on.
 */
const controller = `
  import { realClock } from ${JSON.stringify(new URL("../../../src/clock/real.ts", import.meta.url).href)};
  import { LocalEngine } from ${JSON.stringify(new URL("../../../src/engine/local/local-engine.ts", import.meta.url).href)};
  import { silentLog } from ${JSON.stringify(new URL("../../../src/log/log.ts", import.meta.url).href)};
  const capacity = { cpuMilli: 4000, gpuCount: 0, memoryBytes: 0 };
  const engine = await LocalEngine.open({ dataDir: process.argv[1], capacity, clock: realClock, log: silentLog, ambientEnv: process.env, npmHook: "", moduleHost: [], pythonSdk: "/sdk", neededRequirements: () => [] });
  const script = process.argv[3] ?? "i=0; while :; do i=$((i+1)); echo line $i; echo error $i >&2; sleep 0.01; done";
  await engine.start({ replicaId: "r1", deployment: "d", uid: "u", revision: 1, program: { kind: "command", argv: ["sh", "-c", script] }, initArgs: "{}",
    runtimeEnv: { workingDir: "", envVars: {}, npm: [], pip: [] }, maxOngoingRequests: 1, resources: { cpuMilli: 0, gpuMilli: 0, memoryBytes: 0 }, gpuIndexes: [], token: "t" });
  console.log(engine.pid("r1"));
  if (process.argv[2] === "stay") setInterval(() => {}, 1000);
`;

function runController(folder: string, ...more: string[]) {
  const child = spawn("node", ["--input-type=module", "-e", controller, folder, ...more], { stdio: ["ignore", "pipe", "inherit"] });
  const pid = new Promise<number>((resolve) => child.stdout.once("data", (line) => resolve(Number(line))));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { child, pid, exited };
}

/** Starts a helper, then ends on request. */
const leavesHelper = (folder: string) => `sleep 1000 & echo $! >${folder}/child; while [ ! -e ${folder}/go ]; do sleep 0.01; done`;
const helperOf = async (folder: string) => {
  const text = () => readFile(join(folder, "child"), "utf8").catch(() => "");
  await eventually(async () => (await text()).endsWith("\n"));
  return Number(await text());
};

describe("what a replica of a former controller leaves running when it ends", () => {
  test("is killed when its end is noticed", async () => {
    const folder = await testFolder();
    const { exited } = runController(folder, "leave", leavesHelper(folder));
    await exited;
    const engine = await openEngine(folder);
    const helper = await helperOf(folder);
    expect(await find(engine, "r1")).toMatchObject({ state: "alive" });
    expect(await isAlive(helper)).toBe(true);
    await writeFile(join(folder, "go"), "");
    expect(await ended(engine, "r1")).toMatchObject({ ending: { kind: "unknown" } });
    await eventually(async () => !(await isAlive(helper)));
  });

  test("is killed when the replica is found to have ended", async () => {
    const folder = await testFolder();
    const { pid, exited } = runController(folder, "leave", leavesHelper(folder));
    await exited;
    const helper = await helperOf(folder);
    await writeFile(join(folder, "go"), "");
    await eventually(async () => !(await isAlive(await pid)));
    expect(await isAlive(helper)).toBe(true);
    expect(await find(await openEngine(folder), "r1")).toMatchObject({ state: "exited", ending: { kind: "unknown" } });
    await eventually(async () => !(await isAlive(helper)));
  });

  test("is not taken for a group of strangers that now has its number", { skip: process.platform !== "linux" }, async () => {
    const folder = await testFolder();
    const first = await openEngine(folder);
    await startShell(first, "r1", "exit");
    await ended(first, "r1");
    await first.close();
    // A leader that has ended, its group goes on: as after a daemon's start.
    const leader = spawn("sh", ["-c", `sleep 1000 & echo $! >${folder}/child`], { detached: true, stdio: "ignore" });
    await new Promise((resolve) => leader.once("exit", resolve));
    const record = await readFile(pidFileOf(folder, "r1"), "utf8");
    await writeFile(pidFileOf(folder, "r1"), record.replace(/^\d+/, String(leader.pid)));
    await rm(join(folder, "replicas", "r1", "ending"));
    const second = await openEngine(folder);
    expect(await find(second, "r1")).toMatchObject({ state: "exited", ending: { kind: "unknown" } });
    expect(pidOf(second, "r1")).toBe(leader.pid);
    await second.stop("r1", "kill");
    await second.forget("r1");
    const stranger = await helperOf(folder);
    expect(await isAlive(stranger)).toBe(true);
    process.kill(stranger, "SIGKILL");
  });
});

describe("a controller's own process", () => {
  test("killed, leaves its replica running, and printing", async () => {
    const folder = await testFolder();
    const { child, pid, exited } = runController(folder, "stay");
    const replicaPid = await pid;
    child.kill("SIGKILL");
    await exited;
    const engine = await openEngine(folder);
    expect(await find(engine, "r1")).toMatchObject({ state: "alive" });
    expect(pidOf(engine, "r1")).toBe(replicaPid);
    const count = (await linesOf(engine, "r1")).length;
    await eventually(async () => (await linesOf(engine, "r1")).length > count + 10);
    expect(await isAlive(replicaPid)).toBe(true);
  });

  test("is not kept alive by an engine with running replicas", async () => {
    const folder = await testFolder();
    const { pid, exited } = runController(folder);
    expect(await pid).toBeGreaterThan(0);
    expect(await exited).toBe(0);
    await openEngine(folder); // kills the replica when the test ends
  });
});
