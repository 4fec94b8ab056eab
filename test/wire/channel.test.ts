import { expect, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, each, rejection, serve, temporaryFolder } from "./harness.ts";
import { kinds, wireService } from "./wire-service.ts";

function newServer(): RpcServer {
  return new RpcServer({ implementations: [wireService().implementation], log: silentLog, clock: realClock });
}

test("a channel is ready once a server listens, however late", async () => {
  await using folder = await temporaryFolder();
  const address = `unix:${folder.path}/s`;
  const channel = new Channel(address);
  expect(channel.address).toBe(address);
  expect(await rejection(channel.client(WireService).unary({}))).toMatchObject({ code: "UNAVAILABLE" });
  const ready = channel.ready(25_000);
  const server = newServer();
  await server.listen(address);
  await ready;
  expect((await channel.client(WireService).unary({ text: "a" })).text).toBe("a");
  channel.close();
  await server.close(0);
});

test("a channel finds a server that was started again", async () => {
  await using folder = await temporaryFolder();
  const address = `unix:${folder.path}/s`;
  const first = newServer();
  await first.listen(address);
  const channel = new Channel(address);
  await channel.client(WireService).unary({});
  await first.close(0);
  const second = newServer();
  await second.listen(address);
  await channel.ready(25_000);
  expect((await channel.client(WireService).unary({ text: "b" })).text).toBe("b");
  channel.close();
  await second.close(0);
});

test("waiting to be ready ends at its time limit, at the signal, and when the channel is closed", async () => {
  await using folder = await temporaryFolder();
  const channel = new Channel(`unix:${folder.path}/nobody`);
  expect(await rejection(channel.ready(50))).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("nobody") });
  const leave = new AbortController();
  const left = rejection(channel.ready(60_000, leave.signal));
  leave.abort();
  expect(await left).toMatchObject({ code: "CANCELLED" });
  expect(await rejection(channel.ready(60_000, leave.signal))).toMatchObject({ code: "CANCELLED" });
  const closed = rejection(channel.ready(60_000));
  channel.close();
  expect(await closed).toMatchObject({ code: "UNAVAILABLE" });
  expect(await rejection(channel.ready(60_000))).toMatchObject({ code: "UNAVAILABLE" });
});

test("a call on a closed channel is UNAVAILABLE", async () => {
  const wire = await serve([wireService().implementation]);
  await using _ = wire;
  const client = wire.channel.client(WireService);
  wire.channel.close();
  expect(await rejection(client.unary({}))).toMatchObject({ code: "UNAVAILABLE" });
  expect(await rejection(collect(client.serverStream({})))).toMatchObject({ code: "UNAVAILABLE" });
  expect(await rejection(client.clientStream(each({})))).toMatchObject({ code: "UNAVAILABLE" });
  expect(await rejection(collect(client.bidiStream(each({}))))).toMatchObject({ code: "UNAVAILABLE" });
});

test.each(Object.entries(kinds))("%s: closing a channel fails its calls in work, and frees their handlers", async (_, call) => {
  const service = wireService();
  const wire = await serve([service.implementation]);
  await using __ = wire;
  const failure = rejection(collect(call(wire.channel.client(WireService), "park")));
  await service.entered;
  wire.channel.close();
  expect(await failure).toMatchObject({ code: "UNAVAILABLE" });
  expect(await service.left).toMatchObject({ reason: "CANCELLED" });
});

test("a response above the limit fails that call alone", async () => {
  const wire = await serve([wireService().implementation]);
  await using _ = wire;
  const channel = new Channel(wire.address, { messageBytesMax: 10_000 });
  const client = channel.client(WireService);
  expect(await rejection(client.unary({ text: "x".repeat(20_000) }))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  expect(await rejection(collect(client.serverStream({ text: "x".repeat(20_000), count: 3 })))).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
  });
  expect((await client.unary({ text: "y" })).text).toBe("y");
  channel.close();
});

test("a call whose server is lost is UNAVAILABLE, and is not sent again", async () => {
  const service = wireService();
  const wire = await serve([service.implementation]);
  await using _ = wire;
  const failure = rejection(wire.channel.client(WireService).unary({ text: "wait" }));
  await service.entered;
  await wire.server.close(0);
  expect(await failure).toMatchObject({ code: "UNAVAILABLE" });
});
