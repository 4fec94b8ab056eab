import { expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { HealthService } from "../../src/rpc/health.ts";
import { rejection, serve } from "./harness.ts";

async function start() {
  const health = new HealthService();
  const wire = await serve([health.implementation]);
  return { health, wire, client: wire.channel.client(Health) };
}

test("the whole server serves until its status is set; a service is unknown until named", async () => {
  const { health, wire, client } = await start();
  await using _ = wire;
  expect((await client.check({})).status).toBe(Status.SERVING);
  expect(await rejection(client.check({ service: "a.B" }))).toMatchObject({ code: "NOT_FOUND" });
  health.set("", false);
  health.set("a.B", true);
  expect((await client.check({})).status).toBe(Status.NOT_SERVING);
  expect((await client.check({ service: "a.B" })).status).toBe(Status.SERVING);
  expect((await client.list({})).statuses).toMatchObject({ "": { status: Status.NOT_SERVING }, "a.B": { status: Status.SERVING } });
});

test("a watch reports the status at once and at each change, also of an unknown service", async () => {
  const { health, wire, client } = await start();
  await using _ = wire;
  const seen: number[] = [];
  for await (const { status } of client.watch({ service: "a.B" })) {
    seen.push(status);
    if (seen.length === 1) health.set("a.B", true);
    if (seen.length === 2) {
      health.set("a.B", true); // no change
      health.set("a.B", false);
    }
    if (seen.length === 3) health.close();
  }
  expect(seen).toEqual([Status.SERVICE_UNKNOWN, Status.SERVING, Status.NOT_SERVING]);
});

test("once closed nothing serves, and watches end", async () => {
  const { health, wire, client } = await start();
  await using _ = wire;
  const seen: number[] = [];
  for await (const { status } of client.watch({})) {
    seen.push(status);
    health.close();
  }
  expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
  expect((await client.check({})).status).toBe(Status.NOT_SERVING);
});
