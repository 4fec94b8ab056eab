// Goal: `drover conformance` finds whether a replica keeps the contract, and which sentences it
// breaks. Method: a program with everything passes; a replica written by hand gets one fault at a
// time, and breaks the sentences of that fault and no other. Every sentence is broken by some
// fault.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { CliIo } from "../../src/cli/io.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import { realClock } from "../../src/clock/real.ts";
import { sentences } from "../../src/conformance/sentences.ts";
import { FaultyReplica } from "./faulty-replica.ts";

// A replica is mostly waited for.
vi.setConfig({ maxConcurrency: 12 });

const here = (name: string) => join(import.meta.dirname, name);
const host = join(import.meta.dirname, "../../src/replica/host.ts");

interface Told {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command in this process; programs are real ones. */
async function conformance(argv: readonly string[], cwd = import.meta.dirname, interrupted = new AbortController().signal): Promise<Told> {
  const printed = { stdout: "", stderr: "" };
  const output = (name: keyof typeof printed) => ({ write: (chunk: string | Uint8Array) => (printed[name] += String(chunk)) });
  const io: CliIo = {
    env: {},
    cwd,
    author: "ada@tower",
    stdin: (async function* () {})(),
    stdout: output("stdout"),
    stderr: output("stderr"),
    interrupted,
    nowMs: () => realClock.nowMs(),
    sleep: (ms, signal) => realClock.sleep(ms, signal),
    newId: () => "id",
    start: () => Promise.reject(new Error("not in this test")),
    testbed: {
      sleep: realClock.sleep,
      moduleHost: [process.execPath, host],
      ambient: process.env,
    },
  };
  const exitCode = await runCli(["conformance", ...argv], io);
  return { exitCode, ...printed };
}

interface Report {
  readonly sentences: readonly { readonly id: string; readonly outcome: string; readonly why?: string; readonly came?: string }[];
  readonly counts: Readonly<Record<string, number>>;
  readonly stderr: readonly string[];
}

async function reported(argv: readonly string[], cwd?: string): Promise<Report & { readonly exitCode: number }> {
  const { exitCode, stdout, stderr } = await conformance(["-o", "json", ...argv], cwd);
  expect(stderr).toBe("");
  return { exitCode, ...(JSON.parse(stdout) as Report) };
}

const idsOf = (report: Report, outcome: string) => report.sentences.filter((one) => one.outcome === outcome).map(({ id }) => id);

const methods = ["--method", "tell", "--slow-method", "work", "--slow-input", "1000", "--stream-method", "count", "--stream-input", "2"];
const configs = ["--user-config", '"good"', "--bad-user-config", '"bad"'];
const means = [...methods, ...configs];

/** Runs the check against a replica in this process, on its own socket. */
async function served<T>(fault: string, run: (argv: readonly string[]) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "drover-faulty-"));
  const identity = { replicaId: "faulty-1", deployment: "faulty", revision: 3, ongoingMax: 2, token: "secret" };
  const server = new FaultyReplica({ fault, ...identity }).server();
  try {
    return await run(["--address", await server.listen(`unix:${join(folder, "replica.sock")}`), "--token", "secret"]);
  } finally {
    await server.close(0);
    await rm(folder, { recursive: true, force: true });
  }
}

const checked = (fault: string, flags: readonly string[] = means) => served(fault, (argv) => reported([...flags, ...argv]));

/** Runs the hand-written replica as a program. */
async function started(fault: string, flags: readonly string[] = means) {
  const folder = await mkdtemp(join(tmpdir(), "drover-faulty-"));
  try {
    return await reported([...flags, "--tcp", "--timeout", "10s", "--", process.execPath, here("faulty-program.ts"), fault], folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Broken {
  readonly fails?: readonly string[];
  readonly warns?: readonly string[];
  readonly flags?: readonly string[];
}

const faults: Readonly<Record<string, Broken>> = {
  "is never healthy": { fails: ["health.serving"], flags: [...means, "--timeout", "3s"] },
  "is plain and hides its services": { fails: ["services.reflection"] },
  "does not name its services": { fails: ["services.info"] },
  "reports only after the interval": { fails: ["load.first"] },
  "reports too often": { fails: ["load.interval"] },
  "counts nothing as ongoing": { fails: ["load.ongoing"] },
  "counts nothing as completed": { fails: ["load.completed"] },
  "counts who left as completed": { fails: ["load.failed"] },
  "counts health checks": { fails: ["load.others"] },
  "reports no generation": { fails: ["load.generation"] },
  "knows every method": { fails: ["invoke.unknown"] },
  "answers no method": { fails: ["invoke.answers"] },
  "answers for any deployment": { fails: ["invoke.other"] },
  "knows every stream": { fails: ["stream.unknown"] },
  "streams nothing": { fails: ["stream.results"] },
  "goes on without its caller": { fails: ["cancel.frees"] },
  "knows no bound": { fails: ["busy.refused"] },
  "refuses without the trailer": { fails: ["busy.refused", "drain.refuses"] },
  "counts refused requests": { fails: ["busy.uncounted"] },
  "refuses health checks when busy": { fails: ["busy.others"] },
  "keeps its bound": { fails: ["busy.changed"] },
  "lets everybody in": { fails: ["config.token", "drain.token"] },
  "wants a config": { fails: ["config.noted"] },
  "applies what is prepared": { fails: ["config.prepare"] },
  "applies in secret what is prepared": { fails: ["config.prepare"] },
  "answers APPLY with what was": { fails: ["config.apply"] },
  "applies any generation": { fails: ["config.again"] },
  "never goes back": { fails: ["config.revert"] },
  "ignores epochs": { fails: ["config.epoch", "drain.epoch"] },
  "takes any config": { fails: ["config.refused"] },
  "refuses without a word": { fails: ["config.refused"] },
  "refuses only when applied": { warns: ["config.early"] },
  "keeps a refused config": { fails: ["config.kept"], warns: ["config.early"] },
  "takes no config and calls it a bug": { fails: ["config.none"], flags: methods },
  "waits without a grace period": { fails: ["drain.once"] },
  "does not wait for requests": { fails: ["drain.waits"] },
  "cuts off requests when it drains": { fails: ["drain.finishes"] },
  "waits for nothing": { fails: ["drain.idle"] },
  "takes requests while it drains": { fails: ["drain.refuses"] },
  "hides its health while it drains": { fails: ["drain.health"] },
  "gives no reasons": { warns: ["errors.info"] },
};

const faultsOfProcesses: Readonly<Record<string, Broken>> = {
  "does not listen": { fails: ["start.listens"] },
  "listens only at sockets": { fails: ["start.tcp"] },
  "runs only once": { fails: ["start.beside", "start.tcp"] },
  "ends by itself": { fails: ["start.stays", "invoke.answers"], flags: ["--method", "tell"] },
  "forgets its revision": { fails: ["info.identity"], flags: [] },
  "begins at generation 1": { fails: ["info.generation"], flags: [] },
  "ignores SIGTERM": { fails: ["stop.drained", "stop.undrained"], flags: [] },
  "ends with exit code 1": { fails: ["stop.drained", "stop.undrained"], flags: [] },
};

describe.concurrent("a replica breaks the sentences of its fault and no other: one that", () => {
  test.each(Object.entries(faults))("%s", async (fault, { fails = [], warns = [], flags }) => {
    const report = await checked(fault, flags);
    const found = { fails: idsOf(report, "fails"), warns: idsOf(report, "warns"), exitCode: report.exitCode };
    expect(found, JSON.stringify(report.sentences.filter(({ came }) => came))).toEqual({
      fails,
      warns,
      exitCode: fails.length > 0 ? 1 : 0,
    });
  });
});

describe.concurrent("a program breaks the sentences of its fault and no other: one that", () => {
  test.each(Object.entries(faultsOfProcesses))("%s", async (fault, { fails = [], flags }) => {
    const report = await started(fault, flags);
    const found = { fails: idsOf(report, "fails").toSorted(), warns: idsOf(report, "warns"), exitCode: report.exitCode };
    expect(found, JSON.stringify(report.sentences.filter(({ came }) => came))).toEqual({ fails: fails.toSorted(), warns: [], exitCode: 1 });
  });
});

test("every sentence is broken by some fault", () => {
  const broken = [...Object.values(faults), ...Object.values(faultsOfProcesses)].flatMap(({ fails = [], warns = [] }) => [
    ...fails,
    ...warns,
  ]);
  expect(sentences.map(({ id }) => id).filter((id) => !broken.includes(id))).toEqual([]);
});

test("a replica without a fault breaks none, and all are checked but what does not apply to it", async () => {
  const [byAddress, program] = [await checked("none"), await started("none")];
  expect(byAddress).toMatchObject({ exitCode: 0, counts: { fails: 0, warns: 0 } });
  expect(program).toMatchObject({ exitCode: 0, counts: { fails: 0, warns: 0, unchecked: 1 } });
  expect(idsOf(program, "unchecked")).toEqual(["config.none"]);
});

test("a TypeScript module passes, with all that there is to check", async () => {
  const configs = ["--user-config", '{"threshold": 1}', "--bad-user-config", '{"threshold": "high"}'];
  const report = await reported([...methods, ...configs, "--tcp", "--module", here("good.ts")]);
  expect(report).toMatchObject({ exitCode: 0, counts: { fails: 0, warns: 0, unchecked: 1 } });
});

test("a TypeScript function that takes no config passes, and refuses one with a word", async () => {
  const report = await reported(["--method", "call", "--module", join(import.meta.dirname, "../../examples/echo/echo.ts")]);
  expect(report).toMatchObject({ exitCode: 0, counts: { fails: 0, warns: 0 } });
  expect(report.sentences.find(({ id }) => id === "config.none")).toMatchObject({ outcome: "holds" });
});

test("what was not given is not checked, and the report says what is missing", async () => {
  const report = await checked("none", []);
  const why = (id: string) => report.sentences.find((one) => one.id === id)?.why;
  expect(report).toMatchObject({ exitCode: 0, counts: { fails: 0, warns: 0 } });
  expect(why("invoke.answers")).toBe("no --method was given");
  expect(why("busy.refused")).toBe("no --slow-method was given");
  expect(why("config.refused")).toBe("no --bad-user-config was given");
  expect(why("config.none")).toContain("--user-config");
  expect(why("stop.drained")).toBe("the replica runs already");
});

test("a replica need not take invokes: what is asked by them is not checked, and the rest is", async () => {
  const report = await checked("takes control calls only");
  expect(report).toMatchObject({ exitCode: 0, counts: { fails: 0, warns: 0 } });
  const why = (id: string) => report.sentences.find((one) => one.id === id)?.why;
  for (const id of ["invoke.unknown", "stream.results", "load.completed", "load.ongoing", "busy.refused", "drain.refuses"])
    expect(why(id), id).toContain("drover.v1.InvokeService");
  const held = ["services.info", "load.first", "config.apply", "config.refused", "drain.idle", "errors.info"];
  expect(idsOf(report, "holds")).toEqual(expect.arrayContaining(held));
});

test("a replica need not take control calls: its invokes are checked", async () => {
  const report = await checked("takes requests only");
  expect(report).toMatchObject({ exitCode: 0, counts: { fails: 0, warns: 0 } });
  const held = ["services.reflection", "invoke.unknown", "invoke.answers", "invoke.other", "stream.results", "errors.info"];
  expect(idsOf(report, "holds")).toEqual(expect.arrayContaining(held));
  expect(report.sentences.find(({ id }) => id === "config.apply")?.why).toContain("drover.replica.v1.ReplicaService");
});

test("a slow method that is quick holds nothing, and is said to", async () => {
  const report = await checked("none", ["--slow-method", "work", "--slow-input", "10"]);
  expect(report.sentences.find(({ id }) => id === "busy.refused")?.why).toMatch(/took only \d+ ms/);
  expect(report.counts).toMatchObject({ fails: 0 });
});

test("a program that does not start is reported with its last lines, and a missing program with its name", async () => {
  const words = await conformance(["--", process.execPath, here("faulty-program.ts"), "does not listen"]);
  expect(words).toMatchObject({ exitCode: 1, stderr: "" });
  expect(words.stdout).toMatch(
    /✗ it listens at DROVER_LISTEN \(unix:\/path\)[^\n]*\n +expected: .* within 60 s\n +came: +the process ended: exit code 3\n/,
  );
  expect(words.stdout).toContain("the last lines of its standard error:\n  I would rather not\n");
  expect(words.stdout).toMatch(/\n0 hold, 1 does not, \d+ not checked\n$/);
  const missing = await conformance(["--", "./no-such-program"]);
  expect(missing.stdout).toMatch(/came: +program .*no-such-program does not exist/);
});

test("a replica that cannot be checked to the end does not pass, though no sentence is broken", async () => {
  const { exitCode, stdout, stderr } = await served("breaks when its bound is changed", (argv) => conformance([...means, ...argv]));
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/, 0 do not, /);
  expect(stderr).toBe("error: the check did not reach its end: INTERNAL: broken\n");
});

test("where no replica answers that is all that is said to fail", async () => {
  const report = await reported(["--address", "unix:/nowhere/replica.sock"]);
  expect(report).toMatchObject({ exitCode: 1, counts: { fails: 1, holds: 0 } });
  expect(report.sentences[0]).toMatchObject({ id: "start.listens", came: expect.stringContaining("no connection to unix:/nowhere") });
});

test("the words say of each sentence what became of it, under its subject", async () => {
  const { exitCode, stdout } = await conformance(["--module", here("good.ts")]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^start\n {2}✓ it listens at DROVER_LISTEN/);
  expect(stdout).toMatch(/\nnot checked\n {2}no --slow-method was given:\n {4}– load: /);
  expect(stdout).toMatch(/\n\d+ hold, 0 do not, \d+ not checked\n$/);
});

test("an interrupt ends it at once", async () => {
  const { exitCode, stderr } = await conformance(["--", "sleep", "60"], undefined, AbortSignal.timeout(200));
  expect({ exitCode, stderr }).toEqual({ exitCode: 130, stderr: "" });
});

test.each([
  [[], "give one of: a command after --, --module, --address"],
  [["--module", "a.ts", "--", "b"], "give one of: a command after --, --module, --address"],
  [["--token", "t", "--", "b"], "--token is for a replica that runs already"],
  [["--address", "nowhere"], '--address "nowhere": must be unix:/path or host:port'],
  [["--address", "unix:/a", "--tcp"], "--tcp starts a program"],
  [["--input", "1", "--", "b"], "--input is the input of a method: give --method"],
  [["--slow-input", "1", "--", "b"], "--slow-input is the input of a method: give --slow-method"],
  [["--user-config", "{", "--", "b"], "--user-config: not JSON: {"],
  [["--init-args", "1", "--", "b"], "--init-args: must be a JSON object"],
])("a wrong command line is refused: %s", async (argv, problem) => {
  const { exitCode, stdout, stderr } = await conformance(argv);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  expect(stderr).toContain(`error: ${problem}`);
});
