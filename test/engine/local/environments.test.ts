// Environments made by stand-ins for npm, so that what the house does with the tool is tested apart
// from the registry.
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { realClock } from "../../../src/clock/real.ts";
import type { Requirements } from "../../../src/core/deployment.ts";
import { BuildError } from "../../../src/engine/local/build-error.ts";
import { ended, eventually, find, linesOf, openEngine, startShell } from "./engine-harness.ts";
import { standIn } from "./stand-in-npm.ts";

const never = new AbortController().signal;
const npm = (...packages: string[]): Requirements => ({ npm: packages, pip: [] });

const names = async (store: string) => (await readdir(store).catch(() => [])).sort();

const npmEnded = (code: number) => ({ kind: "toolEnded", tool: "npm", end: { kind: "exit", code } });

test("what many want at once is installed once, whatever the order of its packages, and found afterwards by the next controller", async () => {
  const { open, runs, store } = await standIn("exit 0");
  const environments = open();
  expect(await environments.find(npm("a@1", "b"))).toBeUndefined();
  const paths = await Promise.all([npm("a@1", "b"), npm("b", "a@1"), npm("a@1", "b")].map((one) => environments.build(one, never)));
  expect(new Set(paths).size).toBe(1);
  expect(await runs()).toEqual([expect.stringMatching(/^install --prefix \S+\/npm .*-- a@1 b$/)]);
  expect(await open().find(npm("b", "a@1"))).toBe(paths[0]);
  await environments.build(npm("c"), never);
  expect(await runs()).toHaveLength(2);
  expect(await names(store)).toHaveLength(4);
});

test("a failure has the tool's last lines, leaves nothing, and the next request builds again", async () => {
  const { open, runs, store } = await standIn('echo looking; echo "no package $7" >&2; exit 3');
  const environments = open();
  const failure = environments.build(npm("zz"), never).catch((error: unknown) => error);
  expect(await failure).toBeInstanceOf(BuildError);
  expect(await failure).toMatchObject({ problem: npmEnded(3), lines: ["looking", expect.stringContaining("no package")] });
  expect(await names(store)).toEqual([]);
  await expect(environments.build(npm("zz"), never)).rejects.toMatchObject({ problem: npmEnded(3) });
  expect(await runs()).toHaveLength(2);
});

test("only the packages of a deployment are stored with an environment", async () => {
  const { open, store } = await standIn("exit 0");
  const path = await open().build({ ...npm("a"), envVars: { TOKEN: "hunter2" } } as Requirements, never);
  expect(path).toContain(store);
  expect(JSON.parse(await readFile(join(path, "environment.json"), "utf8"))).toEqual([npm("a")]);
});

test("a build that takes too long is killed with all its processes", async () => {
  const { open, folder } = await standIn("sleep 1000 & echo $! > ../../child; wait");
  const environments = open({ buildMs: 300 });
  await expect(environments.build(npm("slow"), never)).rejects.toMatchObject({ problem: { kind: "late", tool: "npm", withinMs: 300 } });
  const child = Number(await readFile(join(folder, "child"), "utf8"));
  await eventually(() => !isThere(child));
});

test("a build without waiting callers is stopped; one waiting caller keeps it going", async () => {
  const { open, folder, runs } = await standIn("while [ ! -e ../../go ]; do sleep 0.01; done");
  const environments = open();
  const [first, second] = [new AbortController(), new AbortController()];
  const [one, other] = [first, second].map(({ signal }) => environments.build(npm("a"), signal));
  const [ended, kept] = [one?.catch(String), other];
  await eventually(async () => (await runs()).length === 1);
  first.abort();
  await writeFile(join(folder, "go"), "");
  expect(await kept).toContain(folder);
  await ended;
  const alone = new AbortController();
  const given = open()
    .build(npm("b"), alone.signal)
    .catch((error: unknown) => error);
  alone.abort();
  expect(await given).toMatchObject({ problem: { kind: "unwanted" } });
});

test("besides the needed environments a bounded number is kept, the last used first; unfinished builds are removed", async () => {
  const { open, store } = await standIn("exit 0");
  let nowMs = 1_700_000_000_000;
  const clock = { ...realClock, nowMs: () => (nowMs += 1_000) };
  const environments = open({ keptMax: 1, needed: () => [npm("needed")], clock });
  await mkdir(join(store, "0123.half"), { recursive: true });
  const used = async (path: Promise<string | undefined>) => environments.giveBack((await path) ?? "");
  for (const name of ["needed", "a", "b"]) await used(environments.build(npm(name), never));
  await used(environments.find(npm("a")));
  await used(environments.build(npm("c"), never));
  await environments.close();
  const found = await Promise.all(["needed", "a", "b", "c"].map((name) => environments.find(npm(name))));
  expect(found.map((path) => path !== undefined)).toEqual([true, false, false, true]);
  expect(await names(store)).toHaveLength(4);
});

test("what is installed while old ones are dropped stays whole", async () => {
  const { open, store, folder, runs } = await standIn("while [ ! -e ../../go ]; do sleep 0.01; done");
  const environments = open({ keptMax: 100 });
  // Whichever way the folder is listed, much is to be dropped before those in work come.
  const leave = async (name: string) => {
    for (let n = 0; n < 200; n++) await mkdir(join(store, `${name}.half${n}`, "npm", "lib"), { recursive: true });
  };
  await leave("0123");
  const all = Array.from({ length: 10 }, (_, n) => npm(`package-${n}`));
  const built = all.map(async (one) => environments.giveBack(await environments.build(one, never)));
  await eventually(async () => (await runs()).length === all.length);
  await leave("4567");
  await writeFile(join(folder, "go"), "");
  await Promise.all(built);
  await environments.close();
  for (const one of all) expect(await environments.find(one)).toBeDefined();
  expect(await names(store)).toHaveLength(2 * all.length);
});

test("a replica waits for its packages; stopped during that it gets no process, and a failure is its ending", async () => {
  const { folder, env } = await standIn(
    'case "$*" in *bad) echo "no such package" >&2; exit 1;; esac; echo $$ > ../../tool; exec sleep 1000',
  );
  const engine = await openEngine(join(folder, "data"), { ambientEnv: env });
  const start = (id: string, ...packages: string[]) => startShell(engine, id, "echo started", npm(...packages));
  await start("r1", "good");
  await eventually(async () => (await find(engine, "r1")).preparing !== undefined);
  expect(await find(engine, "r1")).toMatchObject({ state: "alive", preparing: { packages: 1 }, handle: undefined });
  const tool = await toolOf(join(folder, "data"));
  await engine.stop("r1", "terminate");
  expect(await ended(engine, "r1")).toMatchObject({ ending: { kind: "stoppedBeforeStart" }, preparing: undefined });
  await eventually(() => !isThere(tool));
  expect(await linesOf(engine, "r1")).toEqual([]);
  await start("r2", "bad");
  expect(await ended(engine, "r2")).toMatchObject({ ending: { kind: "packagesFailed", problem: npmEnded(1) } });
  expect(await engine.lastErrors("r2", 5)).toEqual(["no such package"]);
});

test("a request for a build that is just being stopped begins a new build", async () => {
  const { open, folder, runs } = await standIn("[ -e ../../go ] || exec sleep 1000");
  const environments = open();
  const left = new AbortController();
  const first = environments.build(npm("a"), left.signal).catch((error: unknown) => error);
  await eventually(async () => (await runs()).length === 1);
  await writeFile(join(folder, "go"), "");
  left.abort();
  expect(await environments.build(npm("a"), never)).toContain(folder);
  expect(await first).toMatchObject({ problem: { kind: "unwanted" } });
});

test("of many built at once that are needed none is dropped by another", async () => {
  const names = Array.from({ length: 24 }, (_, index) => `p${index}`);
  const { open } = await standIn("exit 0");
  const environments = open({ keptMax: 0, needed: () => names.map((name) => npm(name)) });
  await Promise.all(names.map((name) => environments.build(npm(name), never)));
  await environments.close();
  for (const name of names) expect(await environments.find(npm(name)), name).toBeDefined();
});

test("what is in use is not dropped, needed or not, until it is given back", async () => {
  const { open } = await standIn("exit 0");
  const environments = open({ keptMax: 0 });
  const used = await environments.build(npm("used"), never);
  environments.giveBack(await environments.build(npm("other"), never));
  environments.giveBack(await environments.build(npm("more"), never));
  await environments.close();
  const found = await Promise.all(["used", "other", "more"].map((name) => environments.find(npm(name))));
  expect(found).toEqual([used, undefined, undefined]);
});

test("what a killed controller was installing is ended by the next one, and removed", async () => {
  const { store, open } = await standIn("exit 0");
  const half = join(store, "0123.half");
  await mkdir(half, { recursive: true });
  const child = spawn("sleep", ["1000"], { env: { ...process.env, DROVER_BUILD: half }, detached: true });
  await open().sweep();
  if (process.platform === "linux") await eventually(() => child.signalCode === "SIGKILL");
  child.kill("SIGKILL");
  expect(await names(store)).toEqual([]);
});

test("packages are installed for a replica that waits for room, or it has the reason why not", async () => {
  const { folder, env } = await standIn('case "$*" in *bad) echo "no such package" >&2; exit 1;; esac');
  const engine = await openEngine(join(folder, "data"), { ambientEnv: env });
  expect(engine.prepare("r0", { npm: [], pip: [] })).toEqual({ kind: "ready" });
  expect(engine.prepare("r1", npm("good", "better"))).toEqual({ kind: "installing", packages: 2 });
  engine.prepare("r2", npm("bad"));
  await eventually(() => engine.prepare("r1", npm("good", "better")).kind === "ready");
  await eventually(() => engine.prepare("r2", npm("bad")).kind === "failed");
  const ending = { kind: "packagesFailed", problem: npmEnded(1) };
  expect(engine.prepare("r2", npm("bad"))).toEqual({ kind: "failed", ending, lines: ["no such package"] });
});

test("without python3 pip packages cannot be had, and it is said so", async () => {
  const { open } = await standIn("exit 0");
  const environments = open({ ambientEnv: { PATH: "/nowhere" } });
  await expect(environments.build({ npm: [], pip: ["six"] }, never)).rejects.toMatchObject({ problem: { kind: "noPython" } });
});

/** The process of the tool, once it has written itself down. */
async function toolOf(dataDir: string): Promise<number> {
  const file = join(dataDir, "tool");
  await eventually(async () => (await readFile(file, "utf8").catch(() => "")).endsWith("\n"));
  return Number(await readFile(file, "utf8"));
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
