// Goal: what Drover sets inside grpc-js, beyond its options, has its effect.
import { expect, onTestFinished, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { RawCaller } from "../gateway/harness.ts";
import { WireService } from "../wire/gen/test/v1/wire_pb.ts";
import { wireService } from "../wire/wire-service.ts";

const path = `/${WireService.typeName}/Unary`;
const empty = Buffer.alloc(5);

async function caller(): Promise<RawCaller> {
  const { implementation } = wireService();
  const server = new RpcServer({ implementations: [implementation], log: silentLog, clock: realClock });
  const address = await server.listen("127.0.0.1:0");
  const raw = new RawCaller(address);
  onTestFinished(async () => {
    await raw[Symbol.asyncDispose]();
    await server.close(0);
  });
  return raw;
}

test.each(["application/grpc-web+proto", "application/grpc-web", "application/json"])(
  "%s is refused as what it is: not gRPC",
  async (type) => {
    const at = await caller();
    const got = await at.call(path, { "content-type": type }, empty);
    expect([got.headers[":status"], got.body.toString()]).toEqual([415, expect.stringContaining("application/grpc")]);
    expect((await at.call(path, {}, empty)).status).toBe(0);
  },
);

test("1,000 pairs of metadata are read", async () => {
  const at = await caller();
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`k${index}`, "v"]));
  expect((await at.call(path, many, empty)).status).toBe(0);
});

test("beyond the bound of connections an idle one goes, and the one with a call in work stays", async () => {
  const service = wireService();
  const crowded: number[] = [];
  const server = new RpcServer({
    implementations: [service.implementation],
    log: silentLog,
    clock: realClock,
    connectionsMax: 2,
    onCrowded: (max) => crowded.push(max),
  });
  const address = await server.listen("127.0.0.1:0");
  const [busy, idle, late] = [new Channel(address), new Channel(address), new Channel(address)];
  onTestFinished(async () => {
    for (const channel of [busy, idle, late]) channel.close();
    await server.close(0);
  });
  const inWork = busy.client(WireService).unary({ text: "wait" });
  await service.entered;
  expect((await idle.client(WireService).unary({ text: "a" })).text).toBe("a");
  expect((await late.client(WireService).unary({ text: "b" })).text).toBe("b");
  expect(crowded).toEqual([2]);
  service.release();
  expect((await inWork).text).toBe("done");
});
