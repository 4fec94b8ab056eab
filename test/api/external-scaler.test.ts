// KEDA's external scaler over a store in memory and real gRPC: what replicas report and what waits
// is set by hand.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ExternalScaler } from "../../gen/externalscaler/externalscaler_pb.ts";
import { externalScaler } from "../../src/api/external-scaler.ts";
import type { Clock } from "../../src/clock/clock.ts";
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { descriptorsOf, readDescriptors, reflection } from "../../src/rpc/reflection.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import type { Client } from "../../src/rpc/service.ts";
import { replicaRecord } from "../kit/records.ts";
import { erase, type OpenedApi, openApi, specOf } from "./opened-api.ts";

/** A clock whose sleepers sleep until they are woken. */
class SleepingClock implements Clock {
  #sleepers: { readonly ms: number; readonly wake: () => void }[] = [];
  #told = () => {};

  nowMs = () => 0;
  wallMs = () => 0;
  after = () => () => {};

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      signal?.addEventListener("abort", () => resolve());
      this.#sleepers.push({ ms, wake: resolve });
      this.#told();
    });
  }

  /** Wakes one sleeper, when there is one; answers how long it wanted to sleep. */
  async wakeOne(): Promise<number> {
    while (this.#sleepers.length === 0) await new Promise<void>((resolve) => (this.#told = resolve));
    const { ms = 0, wake = () => {} } = this.#sleepers.shift() ?? {};
    wake();
    return ms;
  }
}

let opened: OpenedApi;
let folder: string;
let server: RpcServer;
let channel: Channel;
let scaler: Client<typeof ExternalScaler>;
let clock: SleepingClock;
let ongoing: Map<string, number>;
let queued: number;

beforeEach(async () => {
  opened = await openApi();
  folder = await mkdtemp(join(tmpdir(), "drover-scaler-"));
  clock = new SleepingClock();
  ongoing = new Map();
  queued = 0;
  const observed = {
    deployment: (name: string) => {
      const replicas = opened.mirror.replicasOf(name);
      return { ongoing: replicas.reduce((sum, { key }) => sum + (ongoing.get(key) ?? 0), 0), queued: name === "a" ? queued : 0 };
    },
  };
  const implementation = externalScaler({ mirror: opened.mirror, observed, clock });
  const implementations = [implementation, ...reflection(descriptorsOf([ExternalScaler]))];
  server = new RpcServer({ implementations, log: silentLog, clock: realClock });
  channel = new Channel(await server.listen(`unix:${join(folder, "s")}`));
  scaler = channel.client(ExternalScaler);
});
afterEach(async () => {
  channel.close();
  await server.close(0);
  await opened.close();
  await rm(folder, { recursive: true });
});

const ref = (scalerMetadata: Record<string, string>) => ({ name: "worker", namespace: "default", scalerMetadata });
const ofA = ref({ deployment: "a", scalerAddress: "drover:9001" });
const autoscaled = (minReplicas: number, more = {}) => specOf("a", { autoscalingConfig: { minReplicas, maxReplicas: 9, ...more } });

/** A replica of `a` that reports so many requests. */
async function addReplica(id: string, count: number): Promise<void> {
  const deployment = (await opened.store.get("deployment", "a"))?.value;
  if (deployment === undefined) throw new Error("no deployment");
  ongoing.set(id, count);
  const value = { ...replicaRecord(id, "a"), uid: deployment.uid, state: "RUNNING" as const };
  await opened.store.commit([{ put: "replica", key: id, version: 0, value }]);
}

describe("the metric", () => {
  test("is the load now: requests in work at all replicas, and those that wait", async () => {
    await opened.controller.deploy({ spec: autoscaled(0) });
    await addReplica("r1", 3);
    await addReplica("r2", 4);
    queued = 5;
    const of = async (metricName: string) => (await scaler.getMetrics({ scaledObjectRef: ofA, metricName })).metricValues;
    for (const name of ["drover-a", "s0-drover-a", ""])
      expect(await of(name)).toMatchObject([{ metricName: "drover-a", metricValue: 12n, metricValueFloat: 12 }]);
    queued = 0;
    ongoing.clear();
    expect(await of("drover-a")).toMatchObject([{ metricValue: 0n, metricValueFloat: 0 }]);
  });

  test("of another name is refused", async () => {
    await opened.controller.deploy({ spec: specOf("a") });
    await expect(scaler.getMetrics({ scaledObjectRef: ofA, metricName: "drover-b" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      facts: { violations: [{ field: "metricName", description: expect.stringContaining("drover-a") }] },
    });
  });

  test.each([
    ["the trigger's", autoscaled(0, { targetOngoingRequests: 7 }), { targetOngoingRequests: "2.5" }, 2.5, 3n],
    ["else the deployment's", autoscaled(0, { targetOngoingRequests: 7 }), {}, 7, 7n],
    ["else 2", specOf("a"), {}, 2, 2n],
    ["never 0 as a whole number", specOf("a"), { targetOngoingRequests: "0.1" }, 0.1, 1n],
  ])("has for its target %s", async (_, spec, more, targetSizeFloat, targetSize) => {
    await opened.controller.deploy({ spec });
    const { metricSpecs } = await scaler.getMetricSpec(ref({ deployment: "a", ...more }));
    expect(metricSpecs).toMatchObject([{ metricName: "drover-a", targetSize, targetSizeFloat }]);
  });
});

describe("a deployment is active", () => {
  test("while a request is in work or waits", async () => {
    await opened.controller.deploy({ spec: autoscaled(0) });
    await addReplica("r1", 0);
    expect(await scaler.isActive(ofA)).toMatchObject({ result: false });
    ongoing.set("r1", 1);
    expect(await scaler.isActive(ofA)).toMatchObject({ result: true });
    ongoing.set("r1", 0);
    queued = 1;
    expect(await scaler.isActive(ofA)).toMatchObject({ result: true });
  });

  test.each([
    [autoscaled(1), true],
    [specOf("a", { numReplicas: 2 }), true],
    [specOf("a", { numReplicas: 0 }), false],
  ])("while it is to have a replica at all times: %o", async (spec, result) => {
    await opened.controller.deploy({ spec });
    expect(await scaler.isActive(ofA)).toMatchObject({ result });
  });

  test("is streamed at once and at each change, with one check a second", async () => {
    await opened.controller.deploy({ spec: autoscaled(0) });
    const seen: boolean[] = [];
    for await (const { result } of scaler.streamIsActive(ofA)) {
      seen.push(result);
      if (seen.length === 4) break;
      queued = result ? 0 : 1;
      expect(await clock.wakeOne()).toBe(1_000);
    }
    expect(seen).toEqual([false, true, false, true]);
  });

  test("is not streamed again while nothing changes", async () => {
    await opened.controller.deploy({ spec: autoscaled(0) });
    const stream = scaler.streamIsActive(ofA)[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ result: false });
    for (let time = 0; time < 3; time++) await clock.wakeOne();
    queued = 1;
    await clock.wakeOne();
    expect((await stream.next()).value).toMatchObject({ result: true });
    await stream.return?.();
  });

  test("is streamed until the deployment is gone, or the server stops", async () => {
    await opened.controller.deploy({ spec: autoscaled(0) });
    const gone = scaler.streamIsActive(ofA)[Symbol.asyncIterator]();
    await gone.next();
    await erase(opened.store, "a", 1);
    await opened.mirror.catchUp();
    await clock.wakeOne();
    await expect(gone.next()).rejects.toMatchObject({ code: "NOT_FOUND" });
    await opened.controller.deploy({ spec: autoscaled(0) });
    const stopped = scaler.streamIsActive(ofA)[Symbol.asyncIterator]();
    await stopped.next();
    const stopping = server.close(0);
    await expect(stopped.next()).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
    await stopping;
  });
});

describe("every call", () => {
  const calls = {
    isActive: (from: ReturnType<typeof ref>) => scaler.isActive(from),
    streamIsActive: (from: ReturnType<typeof ref>) => scaler.streamIsActive(from)[Symbol.asyncIterator]().next(),
    getMetricSpec: (from: ReturnType<typeof ref>) => scaler.getMetricSpec(from),
    getMetrics: (from: ReturnType<typeof ref>) => scaler.getMetrics({ scaledObjectRef: from, metricName: "drover-a" }),
  };

  test.each(Object.entries(calls))("%s of a trigger that names no deployment, or a wrong target, says so", async (name, call) => {
    const root = name === "getMetrics" ? "scaledObjectRef." : "";
    await expect(call(ref({}))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("must be the name of a deployment"),
      facts: { violations: [{ field: `${root}scalerMetadata["deployment"]` }] },
    });
    for (const targetOngoingRequests of ["0", "-1", "many", "Infinity"])
      await expect(call(ref({ deployment: "a", targetOngoingRequests }))).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        facts: {
          violations: [
            {
              field: `${root}scalerMetadata["targetOngoingRequests"]`,
              description: expect.stringContaining(JSON.stringify(targetOngoingRequests)),
            },
          ],
        },
      });
  });

  test.each(Object.entries(calls))("%s of a deployment that is not there is NOT_FOUND", async (_, call) => {
    await expect(call(ofA)).rejects.toMatchObject({ code: "NOT_FOUND", reason: "DEPLOYMENT_NOT_FOUND" });
  });

  test("of GetMetrics without an object says what is missing", async () => {
    await expect(scaler.getMetrics({})).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

test("the service has KEDA's name, and reflection lists it", async () => {
  const source = await readDescriptors(channel, new AbortController().signal);
  expect(await source.services()).toContain("externalscaler.ExternalScaler");
  expect(ExternalScaler.methods.map(({ name }) => name)).toEqual(["IsActive", "StreamIsActive", "GetMetricSpec", "GetMetrics"]);
});
