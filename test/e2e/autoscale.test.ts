// Goal: replicas follow a real load. Method: real processes with short windows, clients that never
// retry; every step is waited for, and no request may fail.
import { afterAll, beforeAll, expect, test } from "vitest";
import { DecisionSource } from "../../gen/drover/v1/controller_service_pb.ts";
import { Drover, until } from "./drover.ts";

const seconds = (count: number) => ({ seconds: BigInt(count) });
const short = {
  minReplicas: 0,
  maxReplicas: 8,
  targetOngoingRequests: 2,
  upscaleDelay: seconds(1),
  downscaleDelay: seconds(3),
  downscaleToZeroDelay: seconds(3),
  lookBackPeriod: seconds(2),
  metricsInterval: { nanos: 200_000_000 },
};

let drover: Drover;
beforeAll(async () => {
  drover = await Drover.start();
});
afterAll(() => drover.close());

/** Clients that each have one request in work at all times, until they are stopped. */
class Clients {
  readonly failures: string[] = [];
  answered = 0;
  readonly #name: string;
  readonly #stops: (() => void)[] = [];
  readonly #ends: Promise<void>[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** Sets how many there are. */
  async set(count: number): Promise<void> {
    while (this.#stops.length < count) {
      let going = true;
      this.#stops.push(() => (going = false));
      this.#ends.push(this.#call(() => going));
    }
    for (const stop of this.#stops.splice(count)) stop();
    await Promise.all(this.#ends.splice(count));
  }

  async #call(going: () => boolean): Promise<void> {
    while (going()) {
      await drover.invoke(this.#name, "sleep", 50).then(
        () => this.answered++,
        (cause: unknown) => this.failures.push(String(cause)),
      );
    }
  }
}

const status = async (name: string) => (await drover.controller.getDeployment({ name })).deployment?.status;
const target = async (name: string) => (await status(name))?.targetReplicas ?? -1;

test("replicas follow the load: from zero at once, up in steps, down, to zero and back, and no request fails", {
  timeout: 120_000,
}, async () => {
  await drover.deploy("follows", { numReplicas: undefined, autoscalingConfig: short });
  expect(await target("follows")).toBe(0);
  expect(await drover.running("follows")).toEqual([]);

  const clients = new Clients("follows");
  await clients.set(4);
  await until("the load of 4 is met", async () => (await status("follows"))?.runningReplicas === 2);
  await clients.set(12);
  await until("the load of 12 is met", async () => (await status("follows"))?.runningReplicas === 6);
  await clients.set(20);
  await until("more than the most are not started", async () => (await status("follows"))?.runningReplicas === 8);
  await clients.set(4);
  await until("fewer run for less load", async () => (await target("follows")) === 2);
  await clients.set(0);
  await until("none runs without load", async () => (await target("follows")) === 0 && (await drover.running("follows")).length === 0);
  await clients.set(2);
  await until("the first request starts one", async () => (await drover.running("follows")).length > 0);
  await until("requests are answered again", () => clients.answered > 0);
  await clients.set(0);
  expect(clients.failures).toEqual([]);
  expect(clients.answered).toBeGreaterThan(100);

  const { decisions } = await drover.controller.listDecisions({ name: "follows", pageSize: 100 });
  const told = decisions.filter(({ source }) => source === DecisionSource.AUTOSCALER);
  expect(told.map(({ bound }) => bound)).toEqual(expect.arrayContaining(["zero", "downscale_to_zero_delay"]));
  for (const { inputs } of told) expect(Object.keys(inputs)).toEqual(expect.arrayContaining(["load", "running", "target", "desired"]));
  const explained = await drover.cli("explain", "follows");
  expect(explained.stdout).toContain("requests wait and no replica is wanted");
});

test("a request that waited for a first replica has the time in a trailer", async () => {
  await drover.deploy("cold", { numReplicas: undefined, autoscalingConfig: short });
  let cold: unknown;
  const onTrailers = (metadata: { get(name: string): unknown[] }) => (cold = metadata.get("drover-cold-start")[0]);
  await drover.invoke("cold", "sleep", 1, { onTrailers });
  expect(Number(cold)).toBeGreaterThan(0);
  await drover.invoke("cold", "sleep", 1, { onTrailers: (metadata) => (cold = metadata.get("drover-cold-start")[0]) });
  expect(cold).toBeUndefined();
});

test("a burst is met at once, though the upscale delay is long", async () => {
  const slow = {
    ...short,
    minReplicas: 1,
    upscaleDelay: seconds(600),
    downscaleDelay: seconds(600),
    burst: { window: seconds(1), threshold: 2 },
  };
  await drover.deploy("burst", { numReplicas: undefined, autoscalingConfig: slow });
  const clients = new Clients("burst");
  await clients.set(12);
  try {
    // The tick that meets the burst may see only some of the clients: the rest waits for the upscale delay.
    await until("the burst is met", async () => ((await status("burst"))?.runningReplicas ?? 0) >= 4);
  } finally {
    await clients.set(0);
  }
  expect(clients.failures).toEqual([]);
  const { decisions } = await drover.controller.listDecisions({ name: "burst", pageSize: 100 });
  expect(decisions.find(({ source }) => source === DecisionSource.AUTOSCALER)?.bound).toBe("burst");
});

test("Scale is refused, and num_replicas ends it", async () => {
  await drover.deploy("bound", { numReplicas: undefined, autoscalingConfig: { ...short, minReplicas: 2 } });
  await expect(drover.controller.scale({ name: "bound", numReplicas: 3 })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "AUTOSCALED",
  });
  const fixed = await drover.deploy("bound", { numReplicas: 3 });
  expect(fixed.status).toMatchObject({ targetReplicas: 3, runningReplicas: 3, revision: 1n });
});

test("a controller that is killed and started again in the middle of load takes no replica away", { timeout: 120_000 }, async () => {
  const first = await Drover.start();
  await first.deploy("kept", {
    numReplicas: undefined,
    autoscalingConfig: { ...short, minReplicas: 1, initialReplicas: 4, downscaleDelay: seconds(10) },
  });
  const pids = (await first.running("kept")).map(({ pid }) => pid).sort();
  expect(pids).toHaveLength(4);
  await first.end("SIGKILL");
  const second = await Drover.start([], first.dataDir);
  try {
    // Adopted, before any decision: the windows start again.
    await until("it has adopted them", async () => (await second.running("kept")).length === 4);
    expect((await second.running("kept")).map(({ pid }) => pid).sort()).toEqual(pids);
    const { decisions } = await second.controller.listDecisions({ name: "kept" });
    expect(decisions.filter(({ source, summary }) => source === DecisionSource.AUTOSCALER && summary.startsWith("down"))).toEqual([]);
    // Without load they go, but only after the whole downscale delay under this controller.
    await until(
      "without load there is one in the end",
      async () => (await second.controller.getDeployment({ name: "kept" })).deployment?.status?.targetReplicas === 1,
    );
  } finally {
    await second.close();
  }
});
