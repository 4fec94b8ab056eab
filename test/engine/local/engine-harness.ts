import { execFile } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { onTestFinished, vi } from "vitest";
import { realClock } from "../../../src/clock/real.ts";
import type { LogLine } from "../../../src/core/log-line.ts";
import type { EngineReplica } from "../../../src/engine/engine.ts";
import { LocalEngine, type LocalEngineOptions } from "../../../src/engine/local/local-engine.ts";
import { removeReadOnly } from "../../../src/engine/local/remove-read-only.ts";
import { silentLog } from "../../../src/log/log.ts";
import { shipped } from "../../../src/shipped.ts";
import { assignment } from "../assignment.ts";

const noBundles = {
  bundle: async () => undefined,
  readFile: () => {
    throw new Error("no file is kept");
  },
};
const inherited = {
  ambientEnv: process.env,
  npmHook: shipped.npmHook,
  moduleHost: ["node"],
  pythonSdk: "/sdk",
  neededRequirements: () => [],
  bundles: noBundles,
};

/**
 * Real time, but what is done now and then, each second or more often, is done all the time. What
 * is longer is a bound, and stays.
 */
const eager = (ms: number) => (ms <= 1_000 ? Math.min(ms, 5) : ms);
const eagerClock = {
  ...realClock,
  sleep: (ms: number, signal?: AbortSignal) => realClock.sleep(eager(ms), signal),
  after: (ms: number, run: () => void) => realClock.after(eager(ms), run),
};

/** Waits for something that is to come true. The bound is only for a test that fails. */
export const eventually = (condition: () => unknown) => vi.waitFor(async () => yes(await condition()), { timeout: 25_000, interval: 10 });
const yes = (value: unknown) => {
  if (!value) throw new Error("it has not come true");
};

/** A folder that is gone after the test. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "drover-test-"));
  onTestFinished(() => removeReadOnly(folder)); // a bundle is in a folder that nobody may write to
  return folder;
}

/**
 * A folder whose path is too long for sockets below it; the folder for temporary files is removed
 * after the test.
 */
export async function deepFolder(): Promise<string> {
  const folder = await testFolder();
  vi.stubEnv("TMPDIR", folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  return join(folder, "d".repeat(100));
}

/** An engine; after the test it is closed and all its replicas are killed. */
export async function openEngine(dataDir: string, options: Partial<LocalEngineOptions> = {}): Promise<LocalEngine> {
  const capacity = { cpuMilli: 4000, gpuCount: 0, memoryBytes: 2 ** 30 };
  const engine = await LocalEngine.open({ dataDir, capacity, clock: eagerClock, log: silentLog, ...inherited, ...options });
  onTestFinished(async () => {
    for (const { replicaId } of await replicasOf(engine)) await engine.stop(replicaId, "kill");
    await eventually(async () => (await replicasOf(engine)).every(({ state }) => state === "exited"));
    await engine.close();
  });
  return engine;
}

/** Runs a shell script as a replica. */
export async function startShell(
  engine: LocalEngine,
  replicaId: string,
  script: string,
  more: Parameters<typeof assignment>[2] = {},
): Promise<void> {
  await engine.start(assignment(replicaId, ["sh", "-c", script], more));
}

export async function replicasOf(engine: LocalEngine): Promise<readonly EngineReplica[]> {
  return (await engine.list()).replicas;
}

/** The replica's process. Fails if it never had one. */
export function pidOf(engine: LocalEngine, replicaId: string): number {
  const pid = engine.pid(replicaId);
  if (pid === undefined) throw new Error(`replica ${replicaId} has no process`);
  return pid;
}

export async function find(engine: LocalEngine, replicaId: string): Promise<EngineReplica> {
  const found = (await replicasOf(engine)).find((replica) => replica.replicaId === replicaId);
  if (!found) throw new Error(`the engine does not know replica ${replicaId}`);
  return found;
}

export async function ended(engine: LocalEngine, replicaId: string): Promise<EngineReplica> {
  await eventually(async () => (await find(engine, replicaId)).state === "exited");
  return find(engine, replicaId);
}

/** Waits until it has printed this line. */
export async function printed(engine: LocalEngine, replicaId: string, line: string): Promise<void> {
  await eventually(async () => (await linesOf(engine, replicaId)).some((one) => one.line === line));
}

/** All it has printed that is kept. */
export async function linesOf(engine: LocalEngine, replicaId: string, tailLines = 1_000_000): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of engine.logs(replicaId, { tailLines, follow: false }, new AbortController().signal)) lines.push(line);
  return lines;
}

/** Whether a process is there and not only waiting to be reaped. */
export async function isAlive(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "stat=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return stdout.trim() !== "" && !stdout.trim().startsWith("Z");
}
