import { once } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { describe, expect, test } from "vitest";
import { HandClock } from "../kit/hand-clock.ts";
import { until } from "../kit/until.ts";
import { answer, answered, deferred, endpoint, frame, house, RawCaller, rawReplica } from "./harness.ts";

const path = "/test.Echo/Any";

describe("places and the queue", () => {
  test("no replica ever has more than max_ongoing_requests, under 200 concurrent calls", async () => {
    await using at = await house();
    const most = [0, 0, 0];
    const replicas = await Promise.all(
      most.map((_, index) => {
        let ongoing = 0;
        return rawReplica((stream) => {
          most[index] = Math.max(most[index] as number, ++ongoing);
          stream.resume();
          stream.once("end", () =>
            setImmediate(() => {
              ongoing--;
              answer(stream);
            }),
          );
        });
      }),
    );
    const endpoints = replicas.map(({ address }, index) => endpoint(`r${index}`, address));
    at.routes.set("d", endpoints, { maxOngoingRequests: 4 });
    const answers = await Promise.all(Array.from({ length: 200 }, () => at.caller.call(path)));
    expect(answers.every(({ status }) => status === 0)).toBe(true);
    expect(most).toEqual([4, 4, 4]);
    expect(replicas.reduce((sum, { calls }) => sum + calls, 0)).toBe(200);
    for (const { replicaId } of endpoints) expect(at.gateway.ongoing(replicaId)).toBe(0);
    await Promise.all(replicas.map((replica) => replica.close()));
  });

  test("of 1,000 at one place and a queue of 10, 11 are admitted and every other one is refused with a retry delay", async () => {
    await using at = await house();
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream) => held.push(stream));
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1, maxQueuedRequests: 10 });
    let refused = 0;
    const answers = Array.from({ length: 1_000 }, () =>
      at.caller.call(path).then((got) => {
        if (got.status !== 0) refused++;
        return got;
      }),
    );
    await until(() => refused === 989);
    expect([at.gateway.ongoing("r"), at.gateway.queued("d"), replica.calls]).toEqual([1, 10, 1]);
    for (let served = 0; served < 11; served++) {
      await until(() => held.length > served);
      answer(held[served] as ServerHttp2Stream);
    }
    const all = await Promise.all(answers);
    expect(all.filter(({ status }) => status === 0).length).toBe(11);
    for (const { status, reason, retryAfterMs } of all.filter((one) => one.status !== 0)) {
      expect([status, reason]).toEqual([8, "QUEUE_FULL"]);
      expect(retryAfterMs).toBeGreaterThanOrEqual(100);
      expect(retryAfterMs).toBeLessThanOrEqual(1_000);
    }
    expect(replica.calls).toBe(11);
  });

  test("requests that wait reach the replica in the order they came", async () => {
    await using at = await house();
    const order: string[] = [];
    await using replica = await rawReplica((stream, headers) => {
      order.push(String(headers["x-number"]));
      setImmediate(() => answer(stream));
    });
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
    const numbers = Array.from({ length: 50 }, (_, index) => String(index));
    await Promise.all(numbers.map((number) => at.caller.call(path, { "x-number": number })));
    expect(order).toEqual(numbers);
  });

  test("a request waits for a deployment's first replica", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream) => answer(stream));
    at.routes.set("d", []);
    const waiting = at.caller.call(path);
    await until(() => at.gateway.queued("d") === 1);
    at.routes.set("d", [endpoint("r", replica.address)]);
    expect((await waiting).status).toBe(0);
  });

  test("when a deployment goes away, waiting requests end with NOT_FOUND", async () => {
    await using at = await house();
    at.routes.set("d", []);
    const waiting = at.caller.call(path);
    await until(() => at.gateway.queued("d") === 1);
    at.routes.delete("d");
    expect(await waiting).toMatchObject({ status: 5, reason: "DEPLOYMENT_NOT_FOUND" });
  });
});

describe("deadlines", () => {
  test("a deadline that passes in the queue ends the call there", async () => {
    const clock = new HandClock();
    await using at = await house(clock);
    await using replica = await rawReplica(() => {});
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
    const first = at.caller.open(path);
    await until(() => replica.calls === 1);
    const waiting = at.caller.call(path, { "grpc-timeout": "5S" });
    await until(() => at.gateway.queued("d") === 1);
    clock.pass(4_999);
    expect(at.gateway.queued("d")).toBe(1);
    clock.pass(1);
    expect(await waiting).toMatchObject({ status: 4, reason: "QUEUE_DEADLINE" });
    expect([at.gateway.queued("d"), replica.calls]).toEqual([0, 1]);
    first.destroy();
  });

  test("a deadline that passes in work ends the call there too, and frees the place", async () => {
    const clock = new HandClock();
    await using at = await house(clock);
    const cancelled = deferred<number | undefined>();
    await using replica = await rawReplica((stream) => stream.once("close", () => cancelled.resolve(stream.rstCode)));
    at.routes.set("d", [endpoint("r", replica.address)]);
    const call = at.caller.call(path, { "grpc-timeout": "100m" });
    await until(() => replica.calls === 1);
    clock.pass(100);
    expect(await call).toMatchObject({ status: 4, reason: "DEADLINE" });
    expect(await cancelled.promise).toBe(8);
    expect(at.gateway.ongoing("r")).toBe(0);
  });

  test("a deadline that passes in the middle of an answer ends the answer with that status", async () => {
    const clock = new HandClock();
    await using at = await house(clock);
    await using replica = await rawReplica((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(frame("some"));
    });
    at.routes.set("d", [endpoint("r", replica.address)], { requestTimeoutMs: 100 });
    const stream = at.caller.open(path);
    const done = answered(stream);
    await once(stream, "data");
    clock.pass(100);
    const got = await done;
    expect(got).toMatchObject({ status: 4, reason: "DEADLINE", body: frame("some") });
    expect(got.trailers).toBeDefined();
  });

  test("the replica is given what is left, the shorter of the caller's and the deployment's", async () => {
    const clock = new HandClock();
    await using at = await house(clock);
    const seen: unknown[] = [];
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream, headers) => {
      seen.push(headers["grpc-timeout"]);
      held.push(stream);
    });
    await at.caller.call("/grpc.health.v1.Health/Check", {}, frame(""));
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1, requestTimeoutMs: 60_000 });
    const connection = clock.pending;
    const calls = [at.caller.call(path, { "grpc-timeout": "2H" }), at.caller.call(path, { "grpc-timeout": "30S" }), at.caller.call(path)];
    await until(() => held.length === 1 && at.gateway.queued("d") === 2);
    clock.pass(1_500);
    for (let index = 0; index < 3; index++) {
      await until(() => held.length > index);
      answer(held[index] as ServerHttp2Stream);
    }
    await Promise.all(calls);
    expect(seen).toEqual(["60000m", "28500m", "58500m"]);
    await until(() => clock.pending === connection);
  });

  test("without any deadline none is passed on, and what is no timeout is refused", async () => {
    await using at = await house();
    const seen: unknown[] = [];
    await using replica = await rawReplica((stream, headers) => {
      seen.push(headers["grpc-timeout"]);
      answer(stream);
    });
    at.routes.set("d", [endpoint("r", replica.address)]);
    await at.caller.call(path);
    expect(seen).toEqual([undefined]);
    expect(await at.caller.call(path, { "grpc-timeout": "soon" })).toMatchObject({ status: 3, fields: ["grpc-timeout"] });
    expect(await at.caller.call(path, { "grpc-timeout": "0m" })).toMatchObject({ status: 4, reason: "QUEUE_DEADLINE" });
  });
});

describe("callers that leave", () => {
  test("in the queue: they wait no more", async () => {
    await using at = await house();
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream) => held.push(stream));
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
    const first = at.caller.call(path);
    await until(() => held.length === 1);
    const second = at.caller.open(path);
    await until(() => at.gateway.queued("d") === 1);
    const third = at.caller.call(path);
    await until(() => at.gateway.queued("d") === 2);
    second.close(8);
    await until(() => at.gateway.queued("d") === 1);
    answer(held[0] as ServerHttp2Stream);
    await until(() => held.length === 2);
    answer(held[1] as ServerHttp2Stream);
    expect([(await first).status, (await third).status, replica.calls]).toEqual([0, 0, 2]);
  });

  test("in work: the replica's call is reset, and the place is free for the next", async () => {
    await using at = await house();
    const held: ServerHttp2Stream[] = [];
    const code = deferred<number | undefined>();
    await using replica = await rawReplica((stream) => {
      held.push(stream);
      if (held.length === 1) stream.once("close", () => code.resolve(stream.rstCode));
      else answer(stream);
    });
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
    const first = at.caller.open(path);
    await until(() => held.length === 1);
    const second = at.caller.call(path);
    await until(() => at.gateway.queued("d") === 1);
    first.close(8);
    expect(await code.promise).toBe(8);
    expect((await second).status).toBe(0);
  });

  test("by closing their connection: all they had is freed", async () => {
    await using at = await house();
    await using replica = await rawReplica(() => {});
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 2 });
    const other = new RawCaller(at.address);
    for (let index = 0; index < 5; index++) other.open(path).end(frame("x"));
    await until(() => at.gateway.ongoing("r") === 2 && at.gateway.queued("d") === 3);
    await other[Symbol.asyncDispose]();
    await until(() => at.gateway.ongoing("r") === 0 && at.gateway.queued("d") === 0);
  });

  // A server counts resets, and hangs up on all of a peer's calls when there are too many.
  test("thousands that leave do not cost the others their connection", async () => {
    await using at = await house();
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream, headers) => {
      if (headers["x-stay"] === "yes") held.push(stream);
    });
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 100 });
    const staying = at.caller.call(path, { "x-stay": "yes" });
    await until(() => held.length === 1);
    for (let round = 0; round < 40; round++) {
      const leaving = Array.from({ length: 90 }, () => at.caller.open(path));
      await until(() => at.gateway.ongoing("r") === 91);
      for (const stream of leaving) stream.close(8);
      await until(() => at.gateway.ongoing("r") === 1);
    }
    answer(held[0] as ServerHttp2Stream);
    expect((await staying).status).toBe(0);
  });
});
