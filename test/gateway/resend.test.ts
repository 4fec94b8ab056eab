import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { ServerHttp2Stream } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { KeptPool, keptAlwaysBytes } from "../../src/gateway/kept-request.ts";
import { until } from "../kit/until.ts";
import { answer, answered, deferred, endpoint, frame, house, messageBytesMax, rawReplica, refuse } from "./harness.ts";

const path = "/test.Echo/Any";
const pool = new KeptPool(messageBytesMax);

/** Reads a request to its end and answers with what it read. */
function echo(stream: ServerHttp2Stream): void {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.once("end", () => answer(stream, Buffer.concat(chunks)));
}

describe("a request that had no effect is sent elsewhere", () => {
  test.each(["busy", "draining"] as const)("a replica that refuses it as %s", async (why) => {
    await using at = await house();
    await using refusing = await rawReplica((stream) => refuse(stream, why));
    await using good = await rawReplica(echo);
    at.routes.set("d", [endpoint("refusing", refusing.address), endpoint("good", good.address)]);
    for (let index = 0; index < 20; index++) {
      const got = await at.caller.call(path, {}, frame(`request ${index}`));
      expect(got.body).toEqual(frame(`request ${index}`));
      expect(got.headers["drover-replica"]).toBe("good");
    }
    expect([good.calls, refusing.calls > 0]).toEqual([20, true]);
    expect(at.gateway.ongoing("refusing")).toBe(0);
  });

  test("a replica that refuses after it has read it", async () => {
    await using at = await house();
    const body = frame(Buffer.alloc(200_000, "abc"));
    await using fickle = await rawReplica((stream) => {
      if (fickle.calls === 1) stream.resume().once("end", () => refuse(stream, "busy"));
      else echo(stream);
    });
    at.routes.set("d", [endpoint("r", fickle.address)]);
    const got = await at.caller.call(path, {}, body);
    expect(got.body.equals(body)).toBe(true);
    expect(fickle.calls).toBe(2);
  });

  test("a stream of which a part was sent goes on where it is sent again", async () => {
    await using at = await house();
    const first = deferred<ServerHttp2Stream>();
    await using refusing = await rawReplica((stream) => first.resolve(stream));
    await using good = await rawReplica(echo);
    at.routes.set("d", [endpoint("refusing", refusing.address)]);
    const stream = at.caller.open(path);
    const done = answered(stream);
    stream.write(frame("one"));
    const refused = await first.promise;
    await once(refused, "data");
    at.routes.set("d", [endpoint("refusing", refusing.address), endpoint("good", good.address)]);
    refuse(refused, "draining");
    await until(() => good.calls === 1);
    stream.end(frame("two"));
    expect((await done).body).toEqual(Buffer.concat([frame("one"), frame("two")]));
  });

  test("a stream that was reset with REFUSED_STREAM", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream) => (replica.calls === 1 ? stream.close(7) : echo(stream)));
    at.routes.set("d", [endpoint("r", replica.address)]);
    expect((await at.caller.call(path)).body).toEqual(frame("hello"));
    expect(replica.calls).toBe(2);
  });

  test.each([0, 2])("a stream behind the last one that a GOAWAY (code %i) names as processed", async (code) => {
    await using at = await house();
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream) => {
      held.push(stream);
      if (held.length === 2) (stream.session as NonNullable<typeof stream.session>).goaway(code, 1);
      if (held.length === 3) echo(stream);
    });
    at.routes.set("d", [endpoint("r", replica.address)]);
    const first = at.caller.call(path);
    await until(() => held.length === 1);
    const second = at.caller.call(path);
    expect((await second).body).toEqual(frame("hello"));
    if (code === 0) answer(held[0] as ServerHttp2Stream);
    expect(await first).toMatchObject(code === 0 ? { status: 0 } : { status: 14, reason: "REPLICA_LOST", retryAfterMs: 1_000 });
    expect(replica.calls).toBe(3);
  });

  test("a replica that cannot be reached: no socket, or nothing at the port", async () => {
    await using at = await house();
    const gone = await rawReplica(() => {});
    await gone.close();
    await using good = await rawReplica(echo);
    at.routes.set("d", [endpoint("a", "unix:/nowhere/at/all.sock"), endpoint("b", gone.address), endpoint("good", good.address)]);
    for (let index = 0; index < 20; index++) expect((await at.caller.call(path)).status).toBe(0);
    expect(good.calls).toBe(20);
  });

  test("a replica that comes back at the same socket gets requests again", async () => {
    await using at = await house();
    const folder = await mkdtemp(join(tmpdir(), "gateway-"));
    const listenAt = { path: join(folder, "r.sock") };
    const first = await rawReplica(echo, listenAt);
    at.routes.set("d", [endpoint("r", first.address)]);
    expect((await at.caller.call(path)).status).toBe(0);
    await first.close();
    const between = at.caller.call(path);
    await until(() => at.gateway.queued("d") === 1 || at.gateway.ongoing("r") === 1);
    await using second = await rawReplica(echo, listenAt);
    expect((await between).status).toBe(0);
    expect(second.calls).toBe(1);
    await rm(folder, { recursive: true });
  });

  test.each([1_000_000, messageBytesMax])("a message of %i bytes, refused or not delivered", async (bytes) => {
    await using at = await house();
    const body = frame(Buffer.alloc(bytes, "0123456789abc"));
    await using fickle = await rawReplica((stream) => {
      if (fickle.calls === 1) stream.resume().once("end", () => refuse(stream, "busy"));
      else if (fickle.calls === 2) stream.close(7);
      else echo(stream);
    });
    at.routes.set("d", [endpoint("nowhere", "unix:/nowhere/at/all.sock")]);
    const call = at.caller.call(path, {}, body);
    await until(() => at.gateway.queued("d") === 1);
    at.routes.set("d", [endpoint("r", fickle.address)]);
    const got = await call;
    expect([got.status, got.body.equals(body)]).toEqual([0, true]);
    expect(fickle.calls).toBe(3);
  });

  test("one that is longer than a message may be is not sent again: the error says that it is safe to send it again", async () => {
    await using at = await house();
    await using refusing = await rawReplica((stream) => {
      stream.resume();
      stream.once("end", () => refuse(stream, "busy"));
    });
    at.routes.set("d", [endpoint("r", refusing.address)]);
    const got = await at.caller.call(path, {}, frame(Buffer.alloc(messageBytesMax + 1)));
    expect(got).toMatchObject({ status: 8, reason: "REPLICA_BUSY", retryAfterMs: 1_000 });
    expect(got.message).toContain(`only ${pool.requestBytesMax} bytes`);
    expect([refusing.calls, at.gateway.ongoing("r"), at.gateway.queued("d")]).toEqual([1, 0, 0]);
  });

  test("large ones are kept as long as there is room for them together; small ones always, and the room comes back", async () => {
    await using at = await house();
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream) => stream.resume().once("end", () => held.push(stream)));
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 100 });
    const send = async (body: Uint8Array) => {
      const index = held.length;
      const call = at.caller.call(path, {}, body);
      await until(() => held.length > index);
      return { call, stream: held[index] as ServerHttp2Stream };
    };
    const isSentAgain = async (body: Uint8Array) => {
      const { call, stream } = await send(body);
      const index = held.length;
      refuse(stream, "busy");
      await until(() => held.length > index);
      answer(held[index] as ServerHttp2Stream);
      expect((await call).status).toBe(0);
    };

    const large = frame(Buffer.alloc(4_000_000));
    const inWork: Awaited<ReturnType<typeof send>>[] = [];
    const fits = Math.floor(pool.bytesMax / (large.length - keptAlwaysBytes));
    for (let index = 0; index < fits; index++) inWork.push(await send(large));

    const tooMuch = await send(large);
    refuse(tooMuch.stream, "draining");
    const got = await tooMuch.call;
    expect(got).toMatchObject({ status: 14, reason: "NO_REPLICA", retryAfterMs: 1_000 });
    expect(got.message).toContain(`the gateway keeps ${pool.bytesMax} bytes`);

    await isSentAgain(frame(Buffer.alloc(200_000)));
    for (const [index, { call, stream }] of inWork.entries()) {
      answer(stream);
      expect((await call).status).toBe(0);
      if (index === 0) await isSentAgain(large); // in the room that the first one had
    }
  });
});

describe("a request that may have had an effect is not sent again", () => {
  test("when the replica dies with it", async () => {
    await using at = await house();
    const held: ServerHttp2Stream[] = [];
    await using dying = await rawReplica((stream) => held.push(stream));
    await using other = await rawReplica(echo);
    at.routes.set("d", [endpoint("dying", dying.address)]);
    const call = at.caller.call(path);
    await until(() => held.length === 1);
    at.routes.set("d", [endpoint("dying", dying.address), endpoint("other", other.address)]);
    held[0]?.session?.socket.destroy();
    expect(await call).toMatchObject({ status: 14, reason: "REPLICA_LOST" });
    expect([dying.calls, other.calls, at.gateway.ongoing("dying")]).toEqual([1, 0, 0]);
  });

  test("when the replica dies in the middle of its answer", async () => {
    await using at = await house();
    await using dying = await rawReplica((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(frame("half"));
    });
    at.routes.set("d", [endpoint("dying", dying.address)]);
    const stream = at.caller.open(path);
    const done = answered(stream);
    stream.end(frame("x"));
    await once(stream, "data");
    for (const session of dying.sessions) session.socket.destroy();
    expect(await done).toMatchObject({ status: 14, reason: "REPLICA_LOST", body: frame("half"), resetCode: 0 });
    expect(dying.calls).toBe(1);
  });

  test("when the replica drains: what it took in, it ends", async () => {
    await using at = await house();
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream) => held.push(stream));
    at.routes.set("d", [endpoint("r", replica.address)]);
    const call = at.caller.call(path);
    await until(() => held.length === 1);
    at.routes.set("d", []);
    answer(held[0] as ServerHttp2Stream);
    expect((await call).status).toBe(0);
    await until(() => replica.sessions.size === 0); // a replica out of the routes is let go
  });
});
