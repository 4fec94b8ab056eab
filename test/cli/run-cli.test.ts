import { expect, test } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { refusal } from "../../src/core/errors.ts";
import { deploymentOf, drover, folder, serve } from "./harness.ts";

const commands = [
  ...["start", "deploy", "run", "status", "explain", "list", "get", "replicas", "logs", "invoke", "scale", "reconfigure", "configs"],
  ...["revisions", "rollback", "pause", "resume", "delete", "cluster"],
];

test("help succeeds, says what each command does and has an example of it", async () => {
  const help = await drover(["--help"]);
  expect(help).toMatchObject({ exitCode: 0, stderr: "" });
  for (const command of commands) {
    expect(help.stdout).toContain(`\n  ${command} `);
    const own = await drover([command, "--help"]);
    expect(own).toMatchObject({ exitCode: 0, stderr: "" });
    expect(own.stdout).toMatch(new RegExp(`Examples?:\n {2}\\$ drover ${command}`));
    expect(own.stdout).toContain("--api <host:port>");
  }
});

test("the version is the package's", async () => {
  expect(await drover(["--version"])).toEqual({ exitCode: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: "" });
});

test.each([
  [["fly"], "unknown command 'fly'"],
  [["list", "--fast"], "unknown option '--fast'"],
  [["get"], "missing required argument 'name'"],
  [["get", "a", "b"], "too many arguments"],
  [["list", "-o", "xml"], "Allowed choices are table, json"],
  [["scale", "a", "-1"], "Must be a whole number from 0 to 10,000"],
  [["scale", "a", "1.5"], "Must be a whole number from 0 to 10,000"],
  [["pause"], "missing required argument 'name'"],
  [["explain", "a", "--limit", "0"], "Must be a whole number from 1 to 1,000"],
  [["explain", "a", "-o", "table"], "Allowed choices are text, json"],
  [["delete", "a", "--timeout", "5"], "Give a number and a unit"],
  [["delete", "a", "--timeout", "25h"], "Must be 1ms to 24h"],
  [["list", "--api", "nowhere"], '--api "nowhere": must be "host:port"'],
  [["list", "--api", "localhost:0"], "no server has port 0"],
  [["run", "x.ts", "--env", "PATH"], "must be NAME=VALUE"],
  [["run", "x.ts", "--watch", "--dry-run"], "--dry-run deploys nothing"],
  [["run", "x.ts", "--watch", "--no-wait"], "--no-wait"],
  [["run", "x.ts", "--watch", "--no-bundle"], "--no-bundle sends none"],
  [["run", "--watch", "--", "sleep", "1"], "--bundle"],
  [["invoke", "a", "m", "{", "--gateway", "localhost:1"], "not JSON: {"],
  [["invoke", "a", "m", "--bytes", "--gateway", "localhost:1"], "--bytes needs one argument"],
])("wrong usage ends with 2: %j", async (argv, said) => {
  const run = await drover(argv);
  expect(run).toMatchObject({ exitCode: 2, stdout: "" });
  expect(run.stderr).toContain(said);
});

test("no command at all is wrong usage and shows the help", async () => {
  expect(await drover([])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("Commands:") });
});

test("start passes the whole config, wherever the global flags are", async () => {
  const given: Config[] = [];
  const start = (config: Config) => {
    given.push(config);
    return Promise.resolve(0);
  };
  const options = { cwd: "/home/ada", env: { DROVER_HTTP: ":3" }, start };
  expect(await drover(["start", "--api", ":1", "--gateway", ":2", "--keep-replicas", "--num-cpus", "2"], options)).toMatchObject({
    exitCode: 0,
  });
  expect(await drover(["--gateway", ":2", "--api", ":1", "start", "--keep-replicas", "--num-cpus", "2"], options)).toMatchObject({
    exitCode: 0,
  });
  expect(given[0]).toMatchObject({
    api: { port: 1 },
    gateway: { port: 2 },
    http: { port: 3 },
    keepReplicas: true,
    numCpus: 2,
    dataDir: "/home/ada/.drover",
  });
  expect(given[1]).toEqual(given[0]);
});

test("start with a wrong config starts nothing and shows every problem", async () => {
  const run = await drover(["start", "--api", "0.0.0.0:1", "--log-level", "loud"], { start: () => Promise.reject(new Error("started")) });
  expect(run.exitCode).toBe(2);
  expect(run.stderr).toMatch(/^error: --api "0\.0\.0\.0:1": .*\n {2}--log-level "loud": .*\n$/);
});

test("a start that fails says why, without a stack", async () => {
  const run = await drover(["start"], { start: () => Promise.reject(new Error("the data folder is in use by process 12")) });
  expect(run).toEqual({ exitCode: 1, stdout: "", stderr: "error: the data folder is in use by process 12\n" });
});

test("start's own exit code is the CLI's", async () => {
  expect((await drover(["start"], { start: () => Promise.resolve(3) })).exitCode).toBe(3);
});

test("where no controller answers, the remedy is shown with the address tried", async () => {
  // Nothing listens at port 1.
  for (const options of [{ env: { DROVER_API: "127.0.0.1:1" } }, {}]) {
    const run = await drover(["list", ...("env" in options ? [] : ["--api", "127.0.0.1:1"])], options);
    expect(run).toMatchObject({ exitCode: 1, stdout: "" });
    expect(run.stderr).toBe("error: no controller answers at 127.0.0.1:1: start one with `drover start`, or name another with --api\n");
  }
  const run = await drover(["invoke", "a", "--gateway", "127.0.0.1:1"]);
  expect(run.stderr).toContain("error: no gateway answers at 127.0.0.1:1: start one with `drover start`, or name another with --gateway");
});

test("a refusal shows its code, what is wrong with each field, and a remedy", async () => {
  const run = await serve({
    getDeployment: ({ name }) => Promise.reject(refusal("DEPLOYMENT_NOT_FOUND", `no deployment "${name}"`)),
    scale: () =>
      Promise.reject(
        refusal("INVALID_FIELD", "wrong", {
          violations: [
            { field: "name", description: "is empty" },
            { field: "num_replicas", description: "must be at most 10,000" },
          ],
        }),
      ),
    listDeployments: () => Promise.reject(refusal("STORE_UNAVAILABLE", "Redis cannot be reached", { retryAfterMs: 1500 })),
  });
  expect(await run(["get", "x"])).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: 'error: NOT_FOUND: no deployment "x"\n  `drover list` shows the deployments there are\n',
  });
  expect((await run(["scale", "x", "2"])).stderr).toBe(
    "error: INVALID_ARGUMENT: 2 fields are wrong\n  name: is empty\n  num_replicas: must be at most 10,000\n",
  );
  expect((await run(["list"])).stderr).toBe("error: UNAVAILABLE: Redis cannot be reached\n  it may work in 1.5 s\n");
});

test("a hint is a command that can be pasted: with the deployment, the replica, and the controller that was named", async () => {
  const facts = { metadata: { replica: "story-x7k2p" } };
  const run = await serve(
    { getDeployment: () => Promise.reject(refusal("CONFLICT", "it was changed")) },
    { invoke: () => Promise.reject(refusal("PROGRAM_ERROR", "it failed", facts)) },
  );
  expect((await run(["get", "story"])).stderr).toMatch(/`drover get story( --api \S+)?`/);
  expect((await run(["invoke", "story", "tell", "--api", "127.0.0.1:7001"])).stderr).toContain(
    "`drover logs story --replica story-x7k2p --api 127.0.0.1:7001`",
  );
});

test("colours are only for a terminal that wants them", async () => {
  const run = await serve({ listDeployments: () => ({ deployments: [deploymentOf("a")] }) });
  const colour = "\u001b[";
  expect((await run(["list"])).stdout).not.toContain(colour);
  expect((await run(["list"], { terminal: true })).stdout).toContain(colour);
  expect((await run(["list"], { terminal: true, env: { NO_COLOR: "1" } })).stdout).not.toContain(colour);
  expect((await run(["list"], { terminal: true, env: { TERM: "dumb" } })).stdout).not.toContain(colour);
});

test("Ctrl-C in a call ends with 130 and no error", async () => {
  const interrupt = new AbortController();
  const run = await serve({
    getCluster: (_, { signal }) => {
      interrupt.abort();
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("left"))));
    },
  });
  expect(await run(["cluster"], { interrupted: interrupt.signal })).toEqual({ exitCode: 130, stdout: "", stderr: "" });
});

test("a file given in place of standard input is read where the command runs", async () => {
  const cwd = await folder({ "a.json": '{"text": "hi"}' });
  const run = await serve(
    {},
    {
      invoke: ({ input }) => ({
        output: { case: "json", value: input.case === "json" ? input.value : { kind: { case: "nullValue", value: 0 } } },
      }),
    },
  );
  expect((await run(["invoke", "a", "m", "@a.json"], { cwd })).stdout).toBe('{"text":"hi"}\n');
  expect(await run(["invoke", "a", "m", "@none.json"], { cwd })).toMatchObject({
    exitCode: 1,
    stderr: "error: cannot read none.json: there is no such file\n",
  });
});
