import { readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { assignment } from "../assignment.ts";
import {
  deepFolder,
  ended,
  eventually,
  find,
  isAlive,
  linesOf,
  openEngine,
  printed,
  replicasOf,
  startShell,
  testFolder,
} from "./engine-harness.ts";

describe("a replica that ends", () => {
  test.each([
    ["exit 0", { kind: "exit", code: 0 }],
    ["exit 7", { kind: "exit", code: 7 }],
    ["kill -9 $$", { kind: "signal", signal: "SIGKILL" }],
    ["kill -15 $$", { kind: "signal", signal: "SIGTERM" }],
  ])("`%s` is noticed as: %o", async (script, ending) => {
    const engine = await openEngine(await testFolder());
    const exits: string[] = [];
    engine.onExit((id) => exits.push(id));
    await startShell(engine, "r1", script);
    expect(await ended(engine, "r1")).toMatchObject({ state: "exited", ending });
    expect(exits).toEqual(["r1"]);
  });

  test("can be found until it is forgotten, and then nothing of it is left", async () => {
    const folder = await testFolder();
    const engine = await openEngine(folder);
    await startShell(engine, "r1", "echo gone >&2; exit 1");
    await ended(engine, "r1");
    expect(await engine.lastErrors("r1", 10)).toEqual(["gone"]);
    await engine.forget("r1");
    expect(await replicasOf(engine)).toEqual([]);
    expect(await engine.lastErrors("r1", 10)).toEqual([]);
    await expect(stat(join(folder, "replicas", "r1"))).rejects.toThrow("ENOENT");
    await engine.forget("r1");
    await engine.stop("r1", "kill");
  });
});

describe("what a replica is given", () => {
  test("its environment is the controller's, the spec's and the contract's; {listen} in its command is its address", async () => {
    const ambientEnv = { PATH: process.env.PATH, DROVER_API: "mine", INHERITED: "yes", OVERRIDDEN: "no" };
    const engine = await openEngine(await testFolder(), { ambientEnv });
    const envVars = { OVERRIDDEN: "yes", "odd-name": "a 'b' $c\n\"d\"" };
    const script = "process.stdout.write(JSON.stringify({ env: process.env, argv: process.argv.slice(1), cwd: process.cwd() }) + '\\n')";
    const workingDir = await testFolder();
    const argv = ["node", "-e", script, "--", "--at={listen}", "$HOME", "two words"];
    await engine.start(assignment("r1", argv, { envVars, workingDir, initArgs: '{"a":1}' }));
    expect(await ended(engine, "r1")).toMatchObject({ ending: { kind: "exit", code: 0 } });
    const { address } = await find(engine, "r1");
    const seen = JSON.parse((await linesOf(engine, "r1"))[0]!.line);
    expect(seen.argv).toEqual([`--at=${address}`, "$HOME", "two words"]);
    expect(seen.cwd).toBe(workingDir);
    expect(seen.env).toMatchObject({
      INHERITED: "yes",
      ...envVars,
      OMP_NUM_THREADS: "1",
      DROVER_LISTEN: address,
      DROVER_INIT_ARGS: '{"a":1}',
    });
    expect(seen.env).toMatchObject({ DROVER_REPLICA_ID: "r1", DROVER_DEPLOYMENT: "echo", DROVER_REVISION: "3", DROVER_TOKEN: "secret" });
    expect(seen.env).not.toHaveProperty("DROVER_API");
  });

  test("no shell on its way changes a variable, whatever its name", async () => {
    const engine = await openEngine(await testFolder(), { ambientEnv: { PATH: process.env.PATH, PWD: "/the/controller's", SHLVL: "7" } });
    const values = { stat: "hello", IFS: ",", PWD: "/somewhere", OPTIND: "one\ntwo", PPID: "3", LINENO: "4", _: "5", UID: "-1", ENV: "/e" };
    const more = { BASH_VERSION: "0", SHELLOPTS: "xtrace", PS4: "$(exit)", RANDOM: "no", SECONDS: "never", HOME: "", x: "=" };
    const argv = ["node", "-e", "console.log(JSON.stringify(process.env))"];
    await engine.start(assignment("r1", argv, { envVars: { ...values, ...more } }));
    await engine.start(assignment("r2", argv, { workingDir: "/" }));
    const seen = async (id: string) => {
      await ended(engine, id);
      return JSON.parse((await linesOf(engine, id))[0]!.line);
    };
    expect(await seen("r1")).toMatchObject({ ...values, ...more });
    const without = await seen("r2");
    expect(without.PWD).toBe("/");
    expect(without.SHLVL).not.toBe("7");
    for (const name of ["DROVER_STAT", "stat"]) expect(without).not.toHaveProperty(name);
  });

  test("its token can be read by no other user", async () => {
    const folder = await testFolder();
    const engine = await openEngine(folder);
    await startShell(engine, "r1", "exit");
    expect((await stat(join(folder, "replicas", "r1", "replica.json"))).mode & 0o777).toBe(0o600);
  });

  test("its address is short enough for the system, however long the folder's path or its id", async () => {
    const deep = await openEngine(await deepFolder());
    const flat = await openEngine(await testFolder());
    const listens = "require('node:net').createServer().listen(process.env.DROVER_LISTEN.slice(5), () => console.log('listens'))";
    await deep.start(assignment("r1", ["node", "-e", listens]));
    await startShell(deep, "r2", "exit");
    for (const id of ["r".repeat(90), "r3"]) await startShell(flat, id, "exit");
    const paths = [...(await replicasOf(deep)), ...(await replicasOf(flat))].map(({ address }) => address ?? "");
    expect(new Set(paths).size).toBe(4);
    for (const path of paths) expect(Buffer.byteLength(path)).toBeLessThanOrEqual(105);
    await printed(deep, "r1", "listens");
    await deep.stop("r1", "kill");
    const { address = "" } = await ended(deep, "r1");
    await deep.forget("r1");
    await expect(stat(address.slice(5))).rejects.toThrow("ENOENT");
  });
});

describe("a start that cannot be", () => {
  test.each([
    [
      "a working folder that is not there",
      ["true"],
      { workingDir: "/no/such/folder" },
      `working folder /no/such/folder does not exist; replicas run on the machine ${hostname()}`,
    ],
    [
      "a program that is not on PATH",
      ["no-such-program"],
      { envVars: { PATH: "/a:/b" } },
      "program no-such-program was not found on PATH (/a:/b)",
    ],
    [
      "a program that is not there",
      ["./no-such"],
      { workingDir: "/" },
      `program /no-such does not exist; replicas run on the machine ${hostname()}`,
    ],
    ["a program that is not executable", ["/etc/passwd"], {}, "program /etc/passwd is not an executable file"],
    ["no program", [""], {}, "the command line is empty"],
    [
      "too much to hand over",
      ["true"],
      { initArgs: `"${"x".repeat(4_000_000)}"` },
      "init_args and env_vars are together too long for the system",
    ],
  ])("%s is refused in words, and leaves nothing", async (_, argv, more, message) => {
    const engine = await openEngine(await testFolder());
    await expect(engine.start(assignment("r1", argv, more))).rejects.toThrow(message);
    expect(await replicasOf(engine)).toEqual([]);
    await startShell(engine, "r1", "exit 0");
    expect(await ended(engine, "r1")).toMatchObject({ ending: { kind: "exit", code: 0 } });
  });

  test("a second one of the same id is refused and the first goes on", async () => {
    const engine = await openEngine(await testFolder());
    await startShell(engine, "r1", "exec sleep 1000");
    await expect(startShell(engine, "r1", "exit")).rejects.toThrow("replica r1 was already started");
    expect(await find(engine, "r1")).toMatchObject({ state: "alive" });
  });
});

describe("stopping", () => {
  test("terminate asks the process, and the time of the first asking is kept", async () => {
    const engine = await openEngine(await testFolder());
    await startShell(engine, "r1", "trap 'echo asked' TERM; echo ready; while :; do sleep 0.01; done");
    await printed(engine, "r1", "ready");
    expect(await find(engine, "r1")).toMatchObject({ terminatedAtMs: undefined });
    await engine.stop("r1", "terminate");
    await printed(engine, "r1", "asked");
    const { state, terminatedAtMs } = await find(engine, "r1");
    expect(state).toBe("alive");
    expect(terminatedAtMs).toBeGreaterThan(0);
    await engine.stop("r1", "terminate");
    expect(await find(engine, "r1")).toMatchObject({ terminatedAtMs });
    await engine.stop("r1", "kill");
    expect(await ended(engine, "r1")).toMatchObject({ ending: { kind: "signal", signal: "SIGKILL" }, terminatedAtMs });
    await engine.stop("r1", "terminate");
  });

  test("kill ends the programs that it started, too", async () => {
    const folder = await testFolder();
    const engine = await openEngine(folder);
    await startShell(engine, "r1", `sleep 1000 & echo $! >${folder}/child; echo ready; wait`);
    await printed(engine, "r1", "ready");
    const child = Number(await readFile(join(folder, "child"), "utf8"));
    expect(await isAlive(child)).toBe(true);
    await engine.stop("r1", "kill");
    await ended(engine, "r1");
    await eventually(async () => !(await isAlive(child)));
  });

  test("what a replica leaves running when it ends is killed at once", async () => {
    const folder = await testFolder();
    const engine = await openEngine(folder);
    await startShell(engine, "r1", `sleep 98765 & echo $! >${folder}/child; sleep 0.3; exit 1`);
    expect(await ended(engine, "r1")).toMatchObject({ ending: { kind: "exit", code: 1 } });
    const child = Number(await readFile(join(folder, "child"), "utf8"));
    await eventually(async () => !(await isAlive(child)));
  });

  test.runIf(process.platform === "linux")("also what has left its group", async () => {
    const engine = await openEngine(await testFolder());
    await startShell(engine, "r1", "setsid sh -c 'echo $$; exec sleep 1000' & exec sleep 1000");
    await eventually(async () => (await linesOf(engine, "r1")).length > 0);
    const pid = Number((await linesOf(engine, "r1"))[0]?.line);
    expect(await isAlive(pid)).toBe(true);
    await engine.stop("r1", "terminate");
    await ended(engine, "r1");
    await eventually(async () => !(await isAlive(pid)));
  });

  test("a living replica cannot be forgotten", async () => {
    const engine = await openEngine(await testFolder());
    await startShell(engine, "r1", "exec sleep 1000");
    await expect(engine.forget("r1")).rejects.toThrow("replica r1 is still alive");
    expect(await find(engine, "r1")).toMatchObject({ state: "alive" });
  });
});

describe("the last errors", () => {
  test("are the last lines of standard error, as many as asked for, without empty ones and colours", async () => {
    const engine = await openEngine(await testFolder());
    await startShell(engine, "r1", `printf 'one\\n\\ntwo\\r\\n\\033[31mth\\tree\\033[0m\\a\\n' >&2; echo other`);
    await ended(engine, "r1");
    expect(await engine.lastErrors("r1", 2)).toEqual(["two", "th  ree"]);
    expect(await engine.lastErrors("r1", 10)).toEqual(["one", "two", "th  ree"]);
  });

  test.each([
    ["a megabyte in lines", "for (let i = 0; i < 20_000; i++) out.push('x'.repeat(50) + i)", "x".repeat(50) + 19_999],
    ["a megabyte in one line", "out.push('é'.repeat(500_000) + 'end')", "éend"],
    ["a megabyte of noise", "out.push(require('node:crypto').randomBytes(1_000_000).toString('latin1'), 'end')", "end"],
  ])("of a replica that prints %s are 8 KiB at most, and its end", async (_, script, end) => {
    const engine = await openEngine(await testFolder());
    const program = `const out = []; ${script}; require('node:fs').writeSync(2, Buffer.from(out.join('\\n'), 'latin1'))`;
    await engine.start(assignment("r1", ["node", "-e", program.replace("'latin1'))", end === "éend" ? "'utf8'))" : "'latin1'))")]));
    await ended(engine, "r1");
    const lines = await engine.lastErrors("r1", 1000);
    expect(Buffer.byteLength(lines.join("\n"))).toBeLessThanOrEqual(8192);
    expect(Buffer.byteLength(lines.join("\n"))).toBeGreaterThan(4000);
    expect(lines.at(-1)?.endsWith(end)).toBe(true);
    expect(lines.join("")).not.toMatch(/\p{Cc}/u);
  });
});
