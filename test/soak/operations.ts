import { StatusError } from "../../src/core/errors.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { fixturePath } from "../e2e/drover.ts";
import { callMsMax, type World } from "./world.ts";

const names = ["one", "two", "three"];
const replicasMax = 2;
const watchersMax = 20;
const bigConfigBytes = 300_000;
/** What no call of the soak may end with: each is a fault of Drover. */
const faults: ReadonlySet<string> = new Set(["INTERNAL", "UNKNOWN", "DATA_LOSS", "UNIMPLEMENTED"]);

interface Operation {
  /** How often it is drawn, compared with others. */
  readonly weight: number;
  run(world: World, name: string): Promise<unknown>;
}

async function deploy({ controller, random }: World, name: string): Promise<void> {
  await controller.deploy({
    spec: {
      name,
      version: String(random.whole(1, 5)),
      program: { kind: { case: "module", value: { path: fixturePath("program.ts") } } },
      labels: { draw: String(random.whole(1, 1_000)) },
      numReplicas: random.whole(1, replicasMax),
      maxOngoingRequests: 10,
      gracefulShutdownTimeout: { seconds: 2n },
      resources: { numCpus: 0.01 },
    },
  });
}

/** Changes the labels alone: no replica is replaced. */
async function label({ controller, random }: World, name: string): Promise<void> {
  const { deployment } = await controller.getDeployment({ name });
  if (deployment?.spec === undefined) return;
  await controller.deploy({ spec: { ...deployment.spec, labels: { draw: String(random.whole(1, 1_000)) } } });
}

async function invoke({ drover, random }: World, name: string): Promise<void> {
  await Promise.all(
    Array.from({ length: random.whole(1, 20) }, (_, number) => drover.invoke(name, "echo", number, { deadlineMs: callMsMax })),
  );
}

const reconfigure = (config: (world: World) => unknown) => (world: World, name: string) =>
  world.controller.reconfigure({ name, userConfig: jsonToValue(config(world)) }, { deadlineMs: callMsMax });

export const operations: Readonly<Record<string, Operation>> = {
  deploy: { weight: 12, run: deploy },
  label: { weight: 12, run: label },
  scale: { weight: 8, run: ({ controller, random }, name) => controller.scale({ name, numReplicas: random.whole(0, replicasMax) }) },
  reconfigure: { weight: 10, run: reconfigure(({ random }) => random.whole(1, 1_000)) },
  "reconfigure, 300 KB": { weight: 4, run: reconfigure(({ random }) => random.id(8).repeat(bigConfigBytes / 8)) },
  rollback: { weight: 4, run: ({ controller }, name) => controller.rollback({ name }) },
  "pause rollout": { weight: 2, run: ({ controller }, name) => controller.pauseRollout({ name }) },
  "resume rollout": { weight: 4, run: ({ controller }, name) => controller.resumeRollout({ name }) },
  delete: { weight: 3, run: ({ controller }, name) => controller.deleteDeployment({ name }) },
  invoke: { weight: 40, run: invoke },
  stream: { weight: 20, run: (world, name) => world.stream(name, world.random.whole(1, 100)) },
  leave: {
    weight: 10,
    run: ({ drover, random }, name) => drover.invoke(name, "sleep", 60_000, { deadlineMs: random.whole(1, 500) }),
  },
  watch: { weight: 6, run: async (world) => world.watchers < watchersMax && world.watch() },
  unwatch: { weight: 5, run: async (world) => world.unwatch() },
  "kill a replica": {
    weight: 3,
    run: async (world, name) => {
      const pid = await world.pidOfReplica(name);
      if (pid !== undefined) process.kill(pid, "SIGKILL");
    },
  },
  "stop a replica for a moment": {
    weight: 3,
    run: async (world, name) => {
      const pid = await world.pidOfReplica(name);
      if (pid !== undefined) world.pause(pid);
    },
  },
  "kill the controller": { weight: 1, run: (world) => world.restart("SIGKILL") },
  "end the controller": { weight: 1, run: (world) => world.restart("SIGTERM") },
};

/** How often an operation was done, and with which codes it was refused. */
export class Tally {
  readonly #counts = new Map<string, Map<string, number>>();
  /** What no call may end with. */
  readonly faults: string[] = [];

  /** Runs the operation on a deployment; on one that is drawn, if none is named. */
  async run(name: string, world: World, deployment = world.random.pick(names)): Promise<void> {
    const end = await endOf(operations[name]?.run(world, deployment));
    const counts = this.#counts.get(name) ?? new Map<string, number>();
    this.#counts.set(name, counts.set(end.code, (counts.get(end.code) ?? 0) + 1));
    if (end.fault !== undefined) this.faults.push(`${name}: ${end.fault}`);
  }

  /** One line for each operation: how often it ended in which way. */
  get lines(): readonly string[] {
    return Object.keys(operations).map((name) => {
      const counts = [...(this.#counts.get(name) ?? [])].map(([code, many]) => `${many} ${code}`);
      return `${name}: ${counts.join(", ") || "never"}`;
    });
  }
}

async function endOf(running: Promise<unknown> | undefined): Promise<{ readonly code: string; readonly fault?: string }> {
  try {
    await running;
    return { code: "OK" };
  } catch (error) {
    // A replica may end between the moment it is listed and the moment it is killed.
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return { code: "OK" };
    if (!(error instanceof StatusError)) return { code: "ERROR", fault: String(error) };
    return { code: error.code, ...(faults.has(error.code) ? { fault: `${error.code} ${error.message}` } : {}) };
  }
}

/** The names of all operations in an order that is drawn, and then names drawn by weight, without end. */
export function* drawn({ random }: World): Generator<string, never> {
  const once = Object.keys(operations).map((name) => ({ name, place: random.next() }));
  // A deployment first, or the others find none.
  yield "deploy";
  for (const { name } of once.sort((a, b) => a.place - b.place)) yield name;
  const bag = Object.entries(operations).flatMap(([name, { weight }]) => Array.from({ length: weight }, () => name));
  for (;;) yield random.pick(bag);
}
