// Programs in Python, served by the SDK's host as real processes, each on a unix socket in a folder
// of its own.
import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { onTestFinished, type TestContext, test } from "vitest";
import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { invoker, steps, temporaryFolder } from "../replica/harness.ts";
import { pythonToolchain, toolchainsRequired } from "./python-toolchain.ts";

const root = resolve(import.meta.dirname, "../..");
export const sdk = join(root, "sdk/python");
const toolchain = await pythonToolchain();
/** Why the tests that need Python are left out; undefined: they are not. */
export const pythonMissing = "missing" in toolchain && !toolchainsRequired ? toolchain.missing : undefined;
if (pythonMissing !== undefined) console.warn(`tests of the Python SDK are skipped: ${pythonMissing}`);

/** As `test`, but skipped, or failed where toolchains are required, on a machine without Python. */
export function pythonTest(name: string, body: (context: TestContext) => Promise<void>, timeoutMs?: number): void {
  test.skipIf(pythonMissing !== undefined)(name, body, timeoutMs);
}

/** The interpreter of the toolchain. */
export function python(): string {
  if ("missing" in toolchain) throw new Error(`no Python: ${toolchain.missing}`);
  return toolchain.python;
}

export interface Ended {
  /** Its exit code, or the signal it ended by. */
  readonly exit: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly folder: string;
  readonly channel: Channel;
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it has printed `text` on its standard output. */
  printed(text: string): Promise<void>;
}

export interface StartOptions {
  readonly env?: Record<string, string>;
  /** The file's name, and what it is given after it. */
  readonly file?: string;
  readonly args?: readonly string[];
  readonly write?: boolean;
  /** Other files, by their path in the folder. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Runs one of the SDK's modules; the environment has nothing but what is given. */
export function runModule(
  module: string,
  args: readonly string[],
  folder: string,
  env: Record<string, string> = {},
  flags: readonly string[] = [],
) {
  const child = spawn(python(), [...flags, "-m", module, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, PYTHONPATH: sdk, PYTHONDONTWRITEBYTECODE: "1", ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, ...outputOf(child) };
}

/** Writes files into a folder of the test's own, and runs a module of the SDK there. */
export async function runIn(files: Record<string, string>, module: string, args: readonly string[], env: Record<string, string> = {}) {
  const folder = await temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), dedent(text));
  }
  return { folder, ...(await runModule(module, args, folder, env).ended) };
}

function outputOf(child: ChildProcessWithoutNullStreams): Pick<Started, "ended" | "printed"> {
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
    });
  }
  const ended = new Promise<Ended>((done) => child.once("close", (code, signal) => done({ exit: code ?? signal, ...output })));
  const printed = (text: string) =>
    new Promise<void>((done) => {
      const look = () => output.stdout.includes(text) && done();
      child.stdout.on("data", look);
      look();
    });
  return { ended, printed };
}

/** Starts the host with a program of that text. */
export async function start(source: string, options: StartOptions = {}): Promise<Started> {
  const { env = {}, file = "program.py", args = [file], write = true, files = {} } = options;
  const folder = await temporaryFolder();
  const texts = write ? { ...files, [file]: `import drover\n${dedent(source)}` } : files;
  for (const [path, text] of Object.entries(texts)) {
    await mkdir(join(folder, dirname(path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const listen = `unix:${join(folder, "replica.sock")}`;
  const { child, ended, printed } = runModule("drover.replica", args, folder, {
    ...{ DROVER_LISTEN: listen, DROVER_REPLICA_ID: "echo-1", DROVER_DEPLOYMENT: "echo", DROVER_REVISION: "7" },
    DROVER_MAX_ONGOING_REQUESTS: "100",
    ...env,
  });
  const channel = new Channel(listen);
  onTestFinished(() => channel.close());
  return { folder, channel, ended, printed, kill: (signal) => void child.kill(signal) };
}

/** As `start`, and it serves. */
export async function serve(source: string, options?: StartOptions) {
  const started = await start(source, options);
  const early = started.ended.then(({ exit, stderr }) => Promise.reject(new Error(`ended (${exit}): ${stderr}`)));
  early.catch(() => {});
  await Promise.race([started.channel.ready(60_000), early]);
  const replica = started.channel.client(ReplicaService);
  return { ...started, replica, ...invoker(started.channel), ...steps({ replica }) };
}

export type Served = Awaited<ReturnType<typeof serve>>;

/** Without the spaces that the first line begins with. */
export function dedent(source: string): string {
  const lines = source.replace(/^\n/, "").split("\n");
  const indent = /^ */.exec(lines[0] ?? "")?.[0] ?? "";
  return lines.map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line.trimStart())).join("\n");
}

/** The greeter's generated code, as files of a program that serves or calls it. */
export async function greeterFiles(): Promise<Readonly<Record<string, string>>> {
  const out = await mkdtemp(join(tmpdir(), "drover-greeter-"));
  try {
    const flags = ["-I", join(root, "examples/greeter/proto"), `--python_out=${out}`, `--grpc_python_out=${out}`];
    await promisify(execFile)(python(), ["-m", "grpc_tools.protoc", ...flags, "greeter/v1/greeter.proto"]);
    const paths = ["greeter/v1/greeter_pb2.py", "greeter/v1/greeter_pb2_grpc.py"];
    return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, await readFile(join(out, path), "utf8")] as const)));
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** All items of a stream. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
