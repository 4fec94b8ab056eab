// Load that does not come through the gateway: direct callers keep a replica busy, and every count
// of load must include them.
import { afterAll, beforeAll, expect, test } from "vitest";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { ExternalScaler } from "../../gen/externalscaler/externalscaler_pb.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { Drover, until } from "./drover.ts";

let drover: Drover;
beforeAll(async () => {
  drover = await Drover.start();
});
afterAll(() => drover.close());

const longMs = 600_000;
const autoscaling = {
  minReplicas: 2,
  maxReplicas: 3,
  targetOngoingRequests: 4,
  upscaleDelay: { seconds: 0n, nanos: 0 },
  lookBackPeriod: { seconds: 1n, nanos: 0 },
  aggregation: 2,
  burst: { disabled: true },
};

/** Requests straight to one replica, until the signal aborts. */
async function direct(address: string, count: number, signal: AbortSignal): Promise<void> {
  const channel = new Channel(address);
  const client = channel.client(InvokeService);
  const input = { case: "json" as const, value: jsonToValue(longMs) };
  await Promise.all(Array.from({ length: count }, () => client.invoke({ method: "sleep", input }, { signal }).catch(() => undefined)));
  channel.close();
}

const ongoingOf = async (id: string) =>
  Number((await drover.running("app")).find(({ replicaId }) => replicaId === id)?.ongoingRequests ?? 0n);

test("where direct callers keep one of two replicas busy, the gateway sends its requests to the other, and all counts of load agree", async () => {
  await drover.deploy("app", { numReplicas: 2, maxOngoingRequests: 100 });
  const [busy, idle] = await drover.running("app");
  if (busy === undefined || idle === undefined) throw new Error("two replicas run");
  expect(busy.node).not.toBe("");
  expect(idle.node).toBe(busy.node);
  // The gateway knows both replicas from before.
  await drover.invoke("app", "echo", 1);
  await drover.deploy("app", { maxOngoingRequests: 100, autoscalingConfig: autoscaling });
  const end = new AbortController();
  const direct5 = direct(busy.address, 5, end.signal);
  const given: Promise<unknown>[] = [];
  try {
    await until("the direct requests are reported", async () => (await ongoingOf(busy.replicaId)) === 5);
    for (let sent = 0; sent < 20; sent++) expect(await drover.invoke("app", "echo", sent)).toMatchObject({ pid: Number(idle.pid) });

    for (let sent = 0; sent < 4; sent++) given.push(drover.invoke("app", "sleep", longMs, { signal: end.signal }).catch(() => undefined));
    await until("the gateway's requests are in work", async () => (await ongoingOf(idle.replicaId)) === 4);
    const scaler = new Channel(drover.addresses.api);
    const scaledObjectRef = { name: "worker", namespace: "default", scalerMetadata: { deployment: "app" } };
    await until("status, KEDA and the autoscaler count nine requests", async () => {
      const { deployment } = await drover.controller.getDeployment({ name: "app" });
      const { metricValues } = await scaler.client(ExternalScaler).getMetrics({ scaledObjectRef, metricName: "drover-app" });
      const { decisions } = await drover.controller.listDecisions({ name: "app" });
      const loads = decisions.map(({ inputs }) => inputs.load);
      return deployment?.status?.ongoingRequests === 9n && metricValues[0]?.metricValueFloat === 9 && loads.includes(9);
    });
    scaler.close();
  } finally {
    end.abort();
    await Promise.all([direct5, ...given]);
  }
});
