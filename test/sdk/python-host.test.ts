// The host as a process: how it starts, ends and fails (test/replica/host.test.ts), for programs in
// Python.
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { failure, temporaryFolder } from "../replica/harness.ts";
import { runModule, type StartOptions, sdk, serve, start, pythonTest as test } from "./python-harness.ts";

describe("a program that cannot start ends with code 1 and says why", () => {
  const cases: Record<string, [string, RegExp, StartOptions?]> = {
    "no such file": ["", new RegExp(`^no such file: /.*/missing\\.py; .*${hostname()}`), { args: ["missing.py"], write: false }],
    "no file given": ["", /^usage: python3 -m drover\.replica FILE/, { args: [], write: false }],
    "no Python file": ["", /cannot be imported: its name must end in \.py/, { file: "program.txt" }],
    "raises on import": [
      "raise RuntimeError('no model here')",
      /cannot be imported: Traceback [^\n]*\n +File "[^"]*program\.py", line 2, in <module>\n.*RuntimeError: no model here\n$/s,
    ],
    "exits on import": ["exit(3)", /cannot be imported: .*SystemExit: 3/s],
    "is no Python": ["def broken(:", /cannot be imported: .*SyntaxError/s],
    "imports what is not there": ["import no_such_package", /ModuleNotFoundError: No module named 'no_such_package'/],
    "has no deployment": ["class B: pass", /it has no deployment; it has B\n$/],
    "has nothing of that name": [
      "@drover.deployment\ndef f(): return 1",
      /there is no "Other"; it has f \(a deployment\)\n$/,
      { args: ["program.py", "Other"] },
    ],
    "has several": [
      "a = drover.deployment(lambda: 1)\nb = drover.deployment(lambda: 2)",
      /it has several deployments, name one of them: a, b/,
    ],
    "gives wrong options": [
      "@drover.deployment(replicas=2)\ndef f(): return 1",
      /TypeError: deployment option replicas: there is no such option; do you mean num_replicas\?/,
    ],
    "constructor raises": [
      "@drover.deployment\nclass M:\n    def __init__(self): raise OSError('no GPU')",
      /could not be constructed: Traceback [^\n]*\n +File "[^"]*program\.py".*OSError: no GPU\n$/s,
    ],
    "constructor exits": ["@drover.deployment\nclass M:\n    def __init__(self): exit(0)", /could not be constructed: .*SystemExit: 0/s],
    "constructor takes no such init_args": [
      "@drover.deployment\nclass M: pass",
      /could not be constructed: TypeError: M\(\) takes no arguments\n$/,
      { env: { DROVER_INIT_ARGS: '{"model":1}' } },
    ],
    "services are none": [
      "@drover.deployment(services=lambda f: [1])\ndef f(): return 1",
      /services: must return functions that take a server, not int/,
    ],
    "services cannot be made": [
      "@drover.deployment(services=lambda f: [lambda server: server.no_such_thing()])\ndef f(): return 1",
      /the program's services cannot be served: .*no_such_thing/s,
    ],
    "init_args is not JSON": ["f = drover.deployment(lambda: 1)", /DROVER_INIT_ARGS is not JSON/, { env: { DROVER_INIT_ARGS: "{" } }],
    "nowhere to listen": ["f = drover.deployment(lambda: 1)", /^DROVER_LISTEN is not set/, { env: { DROVER_LISTEN: "" } }],
    "cannot listen there": [
      "f = drover.deployment(lambda: 1)",
      /^cannot listen at unix:\/no\/such\/folder\/r\.sock: there is no folder/,
      { env: { DROVER_LISTEN: "unix:/no/such/folder/r.sock" } },
    ],
  };
  for (const [name, [source, message, options]] of Object.entries(cases)) {
    test(name, async () => {
      const { ended } = await start(source, options);
      const { exit, stderr } = await ended;
      expect(stderr).toMatch(message);
      expect(stderr).not.toContain("/sdk/python/");
      expect(exit).toBe(1);
    });
  }
});

describe("a program that serves", () => {
  const program = `
    import asyncio, os, threading
    import neighbour
    class Program:
        def __init__(self, name): self.name = name
        def greet(self): return "I am " + self.name + neighbour.mark
        def folder(self): return os.getcwd()
        def crash(self): thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()
        async def forget(self): asyncio.get_running_loop().create_task(self._fail())
        async def _fail(self): raise ValueError("nobody looks")
        async def hold(self): print("held"); await asyncio.Event().wait()
        def hang(self): print("hung"); threading.Event().wait()
        async def close(self): print("closing"); await asyncio.sleep(0); print("closed")
    Named = drover.deployment(Program, name="named")
    print(drover.run(Named))
  `;
  const env = { DROVER_INIT_ARGS: '{"name":"Joe"}', DROVER_TOKEN: "t", DROVER_MAX_ONGOING_REQUESTS: "1" };
  const serving = () => serve(program, { env, file: "app/program.py", files: { "app/neighbour.py": "mark = '!'" } });

  test("is configured by its environment, imports modules of its folder, and does not deploy itself again", async () => {
    const { invoke, folder, channel, printed } = await serving();
    await printed("named\n");
    expect(await invoke("greet")).toBe("I am Joe!");
    expect(await invoke("folder")).toBe(folder);
    const replica = channel.client(ReplicaService);
    expect(await replica.getInfo({})).toMatchObject({ replicaId: "echo-1", deployment: "echo", revision: 7n });
    expect(await failure(replica.drain({}))).toMatchObject({ reason: "TOKEN_MISMATCH" });
    expect(await channel.client(Health).check({})).toMatchObject({ status: Status.SERVING });
  });

  test("closes on SIGTERM and ends with 0, without leaving its socket behind", async () => {
    const { kill, ended, invoke, folder } = await serving();
    await invoke("greet");
    kill("SIGTERM");
    expect(await ended).toMatchObject({ exit: 0, stdout: "named\nclosing\nclosed\n", stderr: "" });
    expect(existsSync(join(folder, "replica.sock"))).toBe(false);
  });

  for (const [method, text] of [
    ["hold", "held"],
    ["hang", "hung"],
  ] as const) {
    test(`ends on SIGTERM after a drain although a request goes on (${method})`, async () => {
      const { kill, ended, invoke, printed, replica } = await serving();
      const held = failure(invoke(method));
      await printed(text);
      const left = await replica.drain({}, { metadata: { "drover-token": "t" } });
      expect(left).toMatchObject({ ongoingRequests: 1n });
      kill("SIGTERM");
      expect(await held).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
      expect(await ended).toMatchObject({ exit: 0, stdout: expect.stringContaining("closed") });
    });
  }

  test("leaves SIGINT to the controller", async () => {
    const { kill, invoke } = await serving();
    kill("SIGINT");
    expect(await invoke("greet")).toBe("I am Joe!");
  });

  test("survives what fails in a thread or a task of its own, and logs it", async () => {
    const { kill, ended, invoke } = await serving();
    await invoke("crash");
    await invoke("forget");
    expect(await invoke("greet")).toBe("I am Joe!");
    kill("SIGTERM");
    const { exit, stderr } = await ended;
    expect(exit).toBe(0);
    expect(stderr).toContain("ZeroDivisionError");
  });
});

test("without the packages it needs, it says how to get them", async () => {
  // Without the folder of packages: as a Python that has none.
  const { exit, stderr } = await runModule("drover.replica", ["program.py"], tmpdir(), {}, ["-S"]).ended;
  expect(stderr).toMatch(/No module named 'google'; what the Python SDK needs is installed by: \S*python3 -m pip install \S*sdk\/python/);
  expect(exit).toBe(1);
});

test("where another package brought a protobuf that is too old, it says which and what to do", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "google/protobuf"), { recursive: true });
  await writeFile(join(folder, "google/protobuf/__init__.py"), '__version__ = "5.29.5"\n');
  const { exit, stderr } = await runModule("drover.replica", ["program.py"], folder, { PYTHONPATH: `${folder}:${sdk}` }).ended;
  expect(stderr).toContain(`protobuf 5.29.5 in ${folder}/google/protobuf is too old: put protobuf>=6.31.1 among the pip packages`);
  expect(exit).toBe(1);
});

describe("health", () => {
  const program = `
    import asyncio, threading
    answers = [lambda: None, lambda: False, lambda: 1 / 0, lambda: True]
    go = threading.Event()
    class Base:
        asked = 0
        async def count(self): return self.asked
        async def go(self): go.set()
    @drover.deployment
    class Answers(Base):
        def check_health(self): return answers.pop(0)()
    @drover.deployment
    class Slow(Base):
        def check_health(self):
            self.asked += 1
            print("asked")
            go.wait()
  `;

  test("is what the program's check_health says at each check", async () => {
    const { channel, kill, ended } = await serve(program, { args: ["program.py", "Answers"] });
    const check = async (service = "") => (await channel.client(Health).check({ service })).status;
    const got = [await check(), await check(), await check(ReplicaService.typeName), await check()];
    expect(got).toEqual([Status.SERVING, Status.NOT_SERVING, Status.NOT_SERVING, Status.SERVING]);
    kill("SIGTERM");
    expect((await ended).stderr).toMatch(/^check_health failed: Traceback.*program\.py.*ZeroDivisionError/s);
  });

  test("calls the hook once for concurrent checks, and answers other calls during that", async () => {
    const { channel, replica, invoke, printed } = await serve(program, { args: ["program.py", "Slow"] });
    const health = channel.client(Health);
    const checks = [health.check({}), health.check({}), health.check({})];
    await printed("asked");
    await replica.getInfo({}); // the same connection: all three have arrived
    await invoke("go");
    for (const { status } of await Promise.all(checks)) expect(status).toBe(Status.SERVING);
    expect(await invoke("count")).toBe(1);
  });

  test("is sent to watchers, and ends with the replica", async () => {
    const { channel, kill, replica } = await serve(program, { args: ["program.py", "Slow"] });
    const seen: Status[] = [];
    const watching = (async () => {
      for await (const { status } of channel.client(Health).watch({})) {
        seen.push(status);
        if (seen.length === 1) {
          await replica.drain({});
          kill("SIGTERM");
        }
      }
    })();
    await watching.catch(() => {});
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
  });
});
