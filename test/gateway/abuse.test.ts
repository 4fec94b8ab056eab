// Goal: what one connection does costs the others nothing. Method: an attack in raw frames, and next
// to it a caller that does nothing wrong, whose calls all succeed.
import { connect } from "node:net";
import { expect, test } from "vitest";
import { resetsMax } from "../../src/gateway/leaving.ts";
import { unreadPerCallBytes } from "../../src/gateway/unread.ts";
import { lingerMs, prefaceMs } from "../../src/rpc/listener.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { encodeFrame, type FramePeer, flag, frameCaller, frameType, headerBlock, resetFrame, setting } from "../kit/http2-frames.ts";
import { until } from "../kit/until.ts";
import { answer, endpoint, frame, type House, house, RawCaller, rawReplica } from "./harness.ts";

const path = "/test.Echo/Any";
const request = headerBlock([
  [":method", "POST"],
  [":scheme", "http"],
  [":path", path],
  [":authority", "a"],
  ["content-type", "application/grpc"],
]);
const calm = 11;
const internal = 2;
const open = (stream: number) => encodeFrame(frameType.headers, flag.endHeaders, stream, request);

/** Calls until `over`; each must succeed. Returns how many did. */
async function callUntil(at: House, over: Promise<unknown>): Promise<number> {
  await using caller = new RawCaller(at.address);
  let going = true;
  void over.finally(() => {
    going = false;
  });
  let served = 0;
  while (going) {
    expect((await caller.call(path)).status).toBe(0);
    served++;
  }
  return served;
}

async function echo(at: House) {
  const replica = await rawReplica((stream) => {
    stream.resume();
    stream.once("end", () => answer(stream));
  });
  at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 100_000 });
  return replica;
}

/** Writes, and waits until the peer has taken it, or is gone. */
const pour = (peer: FramePeer, bytes: Uint8Array) =>
  new Promise<void>((resolve) => {
    if (peer.closed || peer.socket.write(bytes)) return resolve();
    peer.socket.once("drain", resolve);
    peer.socket.once("close", () => resolve());
  });

test("a connection that takes back call after call is ended; the calls of others are served", async () => {
  await using at = await house();
  await using replica = await echo(at);
  const attack = async () => {
    const attacker = await frameCaller(at.address);
    for (let stream = 1; stream < 200_000 && !attacker.closed; ) {
      const pairs: Buffer[] = [];
      for (let count = 0; count < 500; count++, stream += 2) pairs.push(open(stream), resetFrame(stream));
      await pour(attacker, Buffer.concat(pairs));
    }
    await until(() => attacker.closed);
    return attacker.goAway;
  };
  const attacked = attack();
  const served = await callUntil(at, attacked);
  expect([calm, internal]).toContain(await attacked); // the gateway counts, and so does nghttp2
  expect(served).toBeGreaterThan(0);
  // A reset may come a turn after its call has begun; most come before.
  expect(replica.calls - served).toBeLessThan(resetsMax.burst);
  expect(at.gateway.ongoing("r")).toBe(0);
});

test("20,000 calls that are opened and dropped with their connections hold up nobody", async () => {
  await using at = await house();
  await using replica = await echo(at);
  const flood = async () => {
    for (let round = 0; round < 20; round++) {
      const peer = await frameCaller(at.address);
      await pour(peer, Buffer.concat(Array.from({ length: 1_000 }, (_, index) => open(1 + 2 * index))));
      await until(() => replica.calls > round * 1_000);
      peer.socket.destroy();
    }
  };
  const flooding = flood();
  expect(await callUntil(at, flooding)).toBeGreaterThan(0);
  await until(() => at.gateway.ongoing("r") === 0);
});

test("a connection has at most 1,000 calls open; the next waits at the caller's own side", async () => {
  await using at = await house();
  await using replica = await rawReplica(() => {});
  at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 100_000 });
  const peer = await frameCaller(at.address);
  await until(() => peer.frames.some(({ type, payload }) => type === frameType.settings && payload.length > 0));
  const told = peer.frames.find(({ type, payload }) => type === frameType.settings && payload.length > 0)?.payload ?? Buffer.alloc(0);
  const settings = Array.from({ length: told.length / 6 }, (_, index) => [told.readUInt16BE(index * 6), told.readUInt32BE(index * 6 + 2)]);
  expect(settings).toContainEqual([setting.maxConcurrentStreams, 1_000]);
  peer.socket.destroy();
});

test("callers that never read hold no more than their bound, and give it back", async () => {
  const calls = 200;
  const large = frame(Buffer.alloc(4 * 1024 * 1024));
  await using at = await house();
  let sent = 0;
  await using replica = await rawReplica((stream, headers) => {
    if (headers.te === "trailers") return answer(stream);
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    // Chunk by chunk, as windows allow: what this replica itself holds is not the gateway's.
    let at = 0;
    const write = () => {
      if (stream.destroyed || at >= large.length) return;
      const chunk = large.subarray(at, at + 16_384);
      at += chunk.length;
      sent += chunk.length;
      stream.write(chunk, write);
    };
    write();
  });
  at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 100_000 });
  expect((await at.caller.call(path)).status).toBe(0);
  const peer = await frameCaller(at.address, [[setting.initialWindowSize, 0]]);
  for (let index = 0; index < calls; index++) {
    peer.write(
      encodeFrame(frameType.headers, flag.endHeaders, 1 + 2 * index, request),
      encodeFrame(frameType.data, flag.endStream, 1 + 2 * index, frame("x")),
    );
  }
  await until(() => replica.calls === calls + 1);
  let before = -1;
  for (let same = 0; same < 20; same = before === sent ? same + 1 : 0) {
    before = sent;
    expect((await at.caller.call(path)).status).toBe(0);
  }
  // The replica's own writing is counted with one chunk for each call.
  expect(sent).toBeLessThanOrEqual(calls * (unreadPerCallBytes + 16_384));
  peer.socket.destroy();
  await until(() => at.gateway.ongoing("r") === 0);
});

test("a close does not wait for a connection that says nothing, nor for a peer that does not close", async () => {
  const clock = new HandClock();
  const at = await house(clock);
  const [host, port] = at.address.split(":");
  const silent = connect({ host, port: Number(port) });
  silent.on("error", () => {});
  silent.resume();
  const stuck = await frameCaller(at.address);
  await until(() => stuck.frames.length >= 2);
  stuck.socket.pause();
  const closed = at.gateway.close(10_000);
  await until(() => silent.destroyed || silent.readyState !== "open");
  let over = false;
  void closed.then(() => {
    over = true;
  });
  await until(() => {
    clock.pass(lingerMs);
    return over;
  });
  await closed;
  stuck.socket.destroy();
  silent.destroy();
});

test("a connection without a preface is closed after a while; a caller that waits stays connected", async () => {
  const clock = new HandClock();
  await using at = await house(clock);
  await using _replica = await echo(at);
  expect((await at.caller.call(path)).status).toBe(0);
  const [host, port] = at.address.split(":");
  const silent = connect({ host, port: Number(port) });
  silent.resume();
  silent.on("error", () => {});
  silent.write("PRI * HTTP");
  await until(() => {
    clock.pass(prefaceMs);
    return silent.closed;
  });
  expect((await at.caller.call(path)).status).toBe(0);
});

test("a peer that answers no ping is dead, and its connection is closed; others stay", async () => {
  const clock = new HandClock();
  await using at = await house(clock);
  await using _replica = await echo(at);
  expect((await at.caller.call(path)).status).toBe(0);
  const dead = await frameCaller(at.address);
  await until(() => dead.frames.length >= 2);
  const pings = () => dead.frames.filter(({ type }) => type === frameType.ping).length;
  await until(() => {
    clock.pass(1_000);
    return pings() > 0;
  });
  const answers = at.caller.session;
  for (let passed = 0; passed < 60 && !dead.closed; passed++) {
    clock.pass(1_000);
    await new Promise((resolve) => answers.ping(resolve));
  }
  await until(() => dead.closed);
  expect((await at.caller.call(path)).status).toBe(0);
});
