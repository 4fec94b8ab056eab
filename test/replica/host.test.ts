// Real processes: the host runs modules written into a folder of the test's own.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { failure, invoker, temporaryFolder } from "./harness.ts";

const host = new URL("../../src/replica/host.ts", import.meta.url).pathname;
const sdk = new URL("../../src/replica/index.ts", import.meta.url).href;
const anImport = `import { deployment, run } from ${JSON.stringify(sdk)};\n`;

interface Started {
  readonly folder: string;
  readonly channel: Channel;
  kill(signal: NodeJS.Signals): void;
  /** Its exit code, or the signal it ended by, and what it printed. */
  readonly ended: Promise<{ readonly exit: number | string | null; readonly stdout: string; readonly stderr: string }>;
  /** Resolves when it has printed `text` on its standard output. */
  printed(text: string): Promise<void>;
}

async function start(
  source: string,
  options: { env?: Record<string, string>; file?: string; args?: string[]; write?: boolean } = {},
): Promise<Started> {
  const { env = {}, file = "program.ts", args = [file], write = true } = options;
  const folder = await temporaryFolder();
  if (write) await writeFile(join(folder, file), source);
  const listen = `unix:${join(folder, "replica.sock")}`;
  const child = spawn(process.execPath, [host, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, DROVER_LISTEN: listen, DROVER_REPLICA_ID: "r1", DROVER_DEPLOYMENT: "d", DROVER_REVISION: "3", ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
    });
  }
  const ended = new Promise<Awaited<Started["ended"]>>((resolve) =>
    child.once("close", (code, signal) => resolve({ exit: code ?? signal, ...output })),
  );
  const printed = (text: string) =>
    new Promise<void>((resolve) => {
      const look = () => output.stdout.includes(text) && resolve();
      child.stdout.on("data", look);
      look();
    });
  const channel = new Channel(listen);
  onTestFinished(() => channel.close());
  return { folder, channel, kill: (signal) => void child.kill(signal), ended, printed };
}

/** As `start`, and it serves. */
async function serving(source: string, options?: Parameters<typeof start>[1]): Promise<Started & ReturnType<typeof invoker>> {
  const started = await start(source, options);
  const early = started.ended.then(({ exit, stderr }) => Promise.reject(new Error(`ended (${exit}): ${stderr}`)));
  early.catch(() => {});
  await Promise.race([started.channel.ready(60_000), early]);
  return { ...started, ...invoker(started.channel) };
}

describe("a program that cannot start ends with code 1 and says why", () => {
  const cases: Record<string, [string, RegExp, Parameters<typeof start>[1]?]> = {
    "no such module": ["", new RegExp(`^no such module: /.*/missing\\.ts; .*${hostname()}`), { args: ["missing.ts"] }],
    "no module given": ["", /^usage: host MODULE/, { args: [] }],
    "throws on import": [
      "throw new Error('no model here');",
      /cannot be imported: Error: no model here\n +at [^\n]*program\.ts:1:\d+\)?\s*$/,
    ],
    "imports what is not there": ["import 'no-such-package';", /cannot be imported: .*Cannot find package 'no-such-package'/s],
    "is not JavaScript": ["export default {{{", /program\.mjs cannot be imported: .*SyntaxError/s, { file: "program.mjs" }],
    "needs more than its types removed": ["export enum Color { Red }", /Node only removes types, so enums/],
    "exports no deployment": ["export const a = 1; export class B {}", /it exports no deployment; it exports B, a/],
    "has no export of that name": [
      `${anImport} export default deployment(() => 1)`,
      /no export "Other"; it exports default \(a deployment\)/,
      { args: ["program.ts", "Other"] },
    ],
    "gives wrong options": [
      `${anImport} export default deployment(() => 1, { replicas: 2 })`,
      /deployment option replicas: there is no such option/,
    ],
    "constructor throws": [
      "export default class { constructor() { throw new Error('no GPU') } }",
      /could not be constructed: Error: no GPU\n +at new \S+ \(\S*program\.ts:1:\d+\)\s*$/,
    ],
    "create returns nothing": ["export default class P { static create() {} }", /P\.create must return the instance, not undefined/],
    "waits for ever with nothing left to do": [
      "await new Promise(() => {}); export default () => 1",
      /waits for something that can never happen/,
    ],
    "services are none": [
      `${anImport} export default deployment(() => 1, { services: () => [{}] })`,
      /the program's services cannot be served/,
    ],
    "init_args is not JSON": ["export default () => 1", /DROVER_INIT_ARGS is not JSON/, { env: { DROVER_INIT_ARGS: "{" } }],
    "nowhere to listen": ["export default () => 1", /DROVER_LISTEN is not set/, { env: { DROVER_LISTEN: "" } }],
    "cannot listen there": [
      "export default () => 1",
      /^cannot listen at unix:\/no\/such\/folder\/r\.sock/,
      { env: { DROVER_LISTEN: "unix:/no/such/folder/r.sock" } },
    ],
  };
  test.each(Object.entries(cases))("%s", async (_name, [source, message, options]) => {
    const { ended } = await start(source, { ...options, write: source !== "" });
    const { exit, stderr } = await ended;
    expect(stderr).toMatch(message);
    expect(exit).toBe(1);
  });
});

describe("a program that serves", () => {
  const program = `${anImport}
    import { openSync, writeSync } from "node:fs";
    class Program {
      constructor(initArgs: { name: string }) { this.#name = initArgs.name }
      #name: string
      greet() { return "I am " + this.#name }
      folder() { return process.cwd() }
      crash() { setTimeout(() => { throw new Error("uncaught") }) }
      full() { setTimeout(() => writeSync(openSync("/dev/full", "w"), "a line of a library")) }
      reject() { Promise.reject(new Error("unhandled")); return "on" }
      hold() { console.log("held"); return new Promise(() => {}) }
      async close() { console.log("closing"); await null; console.log("closed") }
    }
    export const Named = deployment(Program, { name: "named" });
    await run(Named, { module: import.meta.url });
  `;
  const env = { DROVER_INIT_ARGS: '{"name":"Joe"}', DROVER_TOKEN: "t", DROVER_MAX_ONGOING_REQUESTS: "1" };

  test("is configured by its environment, and does not deploy itself again", async () => {
    const { invoke, folder, channel } = await serving(program, { env });
    expect(await invoke("greet")).toBe("I am Joe");
    expect(await invoke("folder")).toBe(folder);
    const replica = channel.client(ReplicaService);
    expect(await replica.getInfo({})).toMatchObject({ replicaId: "r1", deployment: "d", revision: 3n });
    expect(await failure(replica.drain({}))).toMatchObject({ reason: "TOKEN_MISMATCH" });
    expect(await channel.client(Health).check({})).toMatchObject({ status: Status.SERVING });
  });

  test("refuses more requests than max_ongoing_requests", async () => {
    const { invoke, printed } = await serving(program, { env });
    invoke("hold").catch(() => {});
    await printed("held");
    expect(await failure(invoke("greet"))).toMatchObject({ reason: "REPLICA_BUSY" });
  });

  test("closes on SIGTERM and ends with 0, without leaving its socket behind", async () => {
    const { kill, ended, invoke, folder } = await serving(program, { env });
    await invoke("greet");
    kill("SIGTERM");
    expect(await ended).toMatchObject({ exit: 0, stdout: "closing\nclosed\n", stderr: "" });
    expect(existsSync(join(folder, "replica.sock"))).toBe(false);
  });

  test("ends on SIGTERM after a drain although a request goes on", async () => {
    const { kill, ended, invoke, printed, channel } = await serving(program, { env });
    const held = failure(invoke("hold"));
    await printed("held");
    const left = await channel.client(ReplicaService).drain({}, { metadata: { "drover-token": "t" } });
    expect(left).toMatchObject({ ongoingRequests: 1n });
    kill("SIGTERM");
    expect((await held).code).toBe("UNAVAILABLE");
    expect((await ended).exit).toBe(0);
  });

  test("leaves SIGINT to the controller", async () => {
    const { kill, invoke } = await serving(program, { env });
    kill("SIGINT");
    expect(await invoke("greet")).toBe("I am Joe");
  });

  test("survives an unhandled rejection, and logs it", async () => {
    const { kill, ended, invoke } = await serving(program, { env });
    expect(await invoke("reject")).toBe("on");
    expect(await invoke("greet")).toBe("I am Joe");
    kill("SIGTERM");
    const { exit, stderr } = await ended;
    expect(exit).toBe(0);
    expect(JSON.parse(stderr)).toMatchObject({ level: 50, err: { message: "unhandled" } });
  });

  test.skipIf(process.platform !== "linux")("goes on when a write that nothing waits for fails on a full disk (/dev/full)", async () => {
    const { kill, ended, invoke } = await serving(program, { env });
    await invoke("full");
    expect(await invoke("greet")).toBe("I am Joe");
    kill("SIGTERM");
    const { exit, stderr } = await ended;
    expect(exit).toBe(0);
    expect(JSON.parse(stderr)).toMatchObject({ level: 50, err: { message: expect.stringContaining("ENOSPC") } });
  });

  test("ends with exit code 1 after an uncaught error, and logs it", async () => {
    const { ended, invoke } = await serving(program, { env });
    await Promise.allSettled([invoke("crash")]);
    const { exit, stderr } = await ended;
    expect(exit).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ level: 50, err: { message: "uncaught" } });
  });

  test("may be a plain function in plain JavaScript, CommonJS too", async () => {
    const { invoke } = await serving("module.exports = (n) => n + 1;", { file: "add.cjs" });
    expect(await invoke("", 1)).toBe(2);
  });
});
