import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { type Deployment, DeploymentState, type Replica, ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { removeReadOnly } from "../../src/engine/local/remove-read-only.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { jsonToValue, valueToJson } from "../../src/rpc/json-value.ts";
import type { CallOptions } from "../../src/rpc/service.ts";

export const root = resolve(import.meta.dirname, "../..");
/** The program as it is shipped: built, not from source. */
export const mainPath = join(root, "dist/src/main.js");
export const fixturePath = (name: string) => join(import.meta.dirname, "fixtures", name);

/** How often a test polls for a fact, and when it gives up. */
const askMs = 20;
const giveUpMs = 60_000;

/** Waits until `ask` returns something other than undefined and false. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  waitMs = giveUpMs,
): Promise<T> {
  const began = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() - began > waitMs) throw new Error(`gave up waiting until ${what}`);
    await new Promise((done) => setTimeout(done, askMs));
  }
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly input?: string } = {},
): Promise<Finished> {
  const child = spawn(command, args, { cwd: options.cwd ?? root, env: { ...process.env, ...options.env } });
  return finished(child, options.input);
}

function finished(child: ChildProcess, input = ""): Promise<Finished> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk));
  child.stdin?.end(input);
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => done({ code, stdout, stderr }));
  });
}

/** No test makes a controller run into an error that nothing catches; its log counts them. */
function withoutFaults(controller: Finished): Finished {
  const fault = controller.stderr.split("\n").find((line) => /"faults":[1-9]/.test(line));
  if (fault !== undefined) throw new Error(`an error was not caught in the controller: ${fault}`);
  return controller;
}

interface Addresses {
  readonly api: string;
  readonly gateway: string;
  readonly http: string;
  readonly redis: string;
  readonly pid: number;
}

/** A real controller in a process of its own, on free ports, with a data folder of its own. */
export class Drover {
  readonly dataDir: string;
  readonly process: ChildProcess;
  readonly addresses: Addresses;
  readonly #api: Channel;
  readonly #gateway: Channel;
  readonly #ended: Promise<Finished>;

  private constructor(dataDir: string, child: ChildProcess, ended: Promise<Finished>, addresses: Addresses) {
    this.dataDir = dataDir;
    this.process = child;
    this.#ended = ended;
    this.addresses = addresses;
    this.#api = new Channel(addresses.api);
    this.#gateway = new Channel(addresses.gateway);
  }

  /** `enter` is what its command line begins with. */
  static async start(args: readonly string[] = [], dataDir?: string, enter: readonly string[] = []): Promise<Drover> {
    const folder = dataDir ?? (await mkdtemp(join(tmpdir(), "drover-e2e-")));
    const readyFile = join(folder, "ready.json");
    await rm(readyFile, { force: true });
    const argv = [...enter, process.execPath, mainPath, ...startArgs(folder), "--ready-file", readyFile, ...args];
    const child = spawn(argv[0]!, argv.slice(1));
    const ended = finished(child).then(withoutFaults);
    const text = await until("the controller is up", async () => {
      if (child.exitCode !== null) throw new Error(`the controller ended: ${(await ended).stderr}`);
      return readFile(readyFile, "utf8").catch(() => undefined);
    });
    return new Drover(folder, child, ended, JSON.parse(text) as Addresses);
  }

  get controller() {
    return this.#api.client(ControllerService);
  }

  /** Calls a method through the gateway. */
  async invoke(deployment: string, method: string, input: unknown, options?: CallOptions): Promise<unknown> {
    const { output } = await this.#gateway
      .client(InvokeService)
      .invoke({ deployment, method, input: { case: "json", value: jsonToValue(input) } }, options);
    return output.case === "json" ? valueToJson(output.value) : output.value;
  }

  cli(...args: readonly string[]): Promise<Finished> {
    return run(process.execPath, [mainPath, ...args], {
      env: { DROVER_API: this.addresses.api, DROVER_GATEWAY: this.addresses.gateway, NO_COLOR: "1" },
    });
  }

  /** Deploys a fixture module and waits until it has come to rest, well or not. */
  async deploy(name: string, spec: Record<string, unknown> = {}, module = "program.ts"): Promise<Deployment> {
    await this.controller.deploy({
      spec: {
        name,
        version: "1",
        program: { kind: { case: "module", value: { path: fixturePath(module) } } },
        resources: { numCpus: 0.01 },
        ...spec,
      },
    });
    return this.settled(name);
  }

  settled(name: string): Promise<Deployment> {
    return until(`${name} comes to rest`, async () => {
      const { deployment } = await this.controller.getDeployment({ name });
      const { state, observedGeneration, generation, reconciling } = deployment?.status ?? {};
      const rests = (state === DeploymentState.HEALTHY && !reconciling) || state === DeploymentState.DEPLOY_FAILED;
      return rests && observedGeneration === generation && deployment;
    });
  }

  async running(name: string): Promise<readonly Replica[]> {
    const { replicas } = await this.controller.listReplicas({ deployment: name, pageSize: 1_000 });
    return replicas.filter(({ state }) => state === ReplicaState.RUNNING);
  }

  /** Terminates or kills it; returns its output. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<Finished> {
    this.#api.close();
    this.#gateway.close();
    this.process.kill(signal);
    return this.#ended;
  }

  /** Ends it and removes its folder. */
  async close(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.end();
    await removeReadOnly(this.dataDir); // bundles are unpacked in it
  }
}

/** The arguments of a controller on free ports. */
export function startArgs(dataDir: string): readonly string[] {
  const any = "127.0.0.1:0";
  return ["start", "--api", any, "--gateway", any, "--http", any, "--data", dataDir, "--num-cpus", "8", "--log-level", "warn"];
}

/** Whether a process is alive. */
export function alive(pid: number | bigint): boolean {
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch {
    return false;
  }
}
