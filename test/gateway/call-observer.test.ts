// Goal: an observer sees each call from `admitted` to exactly one `ended`, with the facts that a histogram or a trace needs.
// Method: a gateway on real connections and a clock moved by hand; each scenario reads as the list of its events.
import type { ServerHttp2Stream } from "node:http2";
import { describe, expect, test } from "vitest";
import type { Clock } from "../../src/clock/clock.ts";
import { realClock } from "../../src/clock/real.ts";
import { refusal } from "../../src/core/errors.ts";
import type { CallEnd, CallObserver, ObservedCall } from "../../src/gateway/call-observer.ts";
import type { Door } from "../../src/gateway/door.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { until } from "../kit/until.ts";
import { answer, endpoint, frame, type House, house, messageBytesMax, rawReplica, refuse } from "./harness.ts";

const path = "/test.Echo/Any";

/** Writes down the events of each call, by the call's header `x-name`. */
class Notes implements CallObserver {
  readonly calls: ObservedCall[] = [];
  readonly #events = new Map<ObservedCall, string[]>();

  admitted(call: ObservedCall): void {
    this.#add(call, "admitted");
  }

  queued(call: ObservedCall): void {
    this.#add(call, "queued");
  }

  given(call: ObservedCall, replicaId: string): void {
    this.#add(call, `given ${replicaId}`);
  }

  givenBack(call: ObservedCall, replicaId: string, why: string): void {
    this.#add(call, `given back ${replicaId} ${why}`);
  }

  answered(call: ObservedCall): void {
    this.#add(call, "answered");
  }

  ended(call: ObservedCall, end: CallEnd): void {
    const detail = { answered: () => end.kind === "answered" && end.status, failed: () => end.kind === "failed" && end.error.reason };
    const what = end.kind === "reset" ? end.code : end.kind === "left" ? "" : detail[end.kind]();
    this.#add(call, `ended ${end.kind} ${what}`.trim());
  }

  of(name: string): readonly string[] | undefined {
    const call = this.calls.find(({ headers }) => headers["x-name"] === name);
    return call && this.#events.get(call);
  }

  #add(call: ObservedCall, event: string): void {
    const events = this.#events.get(call);
    if (events !== undefined) events.push(event);
    else {
      this.calls.push(call);
      this.#events.set(call, [event]);
    }
  }
}

async function observed(clock: Clock = realClock, door?: Door): Promise<{ readonly at: House; readonly notes: Notes } & AsyncDisposable> {
  const notes = new Notes();
  const at = await house(clock, { observer: notes, ...(door !== undefined && { door }) });
  return { at, notes, [Symbol.asyncDispose]: () => at[Symbol.asyncDispose]() };
}

describe("call observer", () => {
  test("a call that is answered: with its path, deployment, time and status", async () => {
    const clock = new HandClock();
    await using house = await observed(clock);
    const { at, notes } = house;
    await using replica = await rawReplica((stream) => answer(stream, frame("no"), { "grpc-status": "9" }));
    at.routes.set("d", [endpoint("r", replica.address)]);
    await at.caller.call(path, { "x-name": "a" });
    expect(notes.of("a")).toEqual(["admitted", "given r", "answered", "ended answered 9"]);
    expect(notes.calls[0]).toMatchObject({ path, deployment: "d", startedMs: clock.nowMs() });
  });

  test("an answer that is all in its headers", async () => {
    await using house = await observed();
    const { at, notes } = house;
    await using replica = await rawReplica((stream) => stream.respond({ ":status": 200, "grpc-status": "5" }, { endStream: true }));
    at.routes.set("d", [endpoint("r", replica.address)]);
    await at.caller.call(path, { "x-name": "a" });
    expect(notes.of("a")).toEqual(["admitted", "given r", "answered", "ended answered 5"]);
  });

  test("a call that waits is queued before it is given", async () => {
    await using house = await observed();
    const { at, notes } = house;
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream) => held.push(stream));
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1, maxQueuedRequests: 1 });
    const first = at.caller.call(path, { "x-name": "first" });
    await until(() => held.length === 1);
    const second = at.caller.call(path, { "x-name": "second" });
    await until(() => at.gateway.queued("d") === 1);
    await at.caller.call(path, { "x-name": "third" });
    answer(held[0] as ServerHttp2Stream);
    await first;
    await until(() => held.length === 2);
    answer(held[1] as ServerHttp2Stream);
    await second;
    expect(notes.of("first")).toEqual(["admitted", "given r", "answered", "ended answered 0"]);
    expect(notes.of("second")).toEqual(["admitted", "queued", "given r", "answered", "ended answered 0"]);
    expect(notes.of("third")).toEqual(["admitted", "ended failed QUEUE_FULL"]);
  });

  test("a call that replicas give back: busy at the first, away at the second", async () => {
    const clock = new HandClock();
    await using house = await observed(clock);
    const { at, notes } = house;
    await using busy = await rawReplica((stream) => refuse(stream, "busy"));
    await using good = await rawReplica((stream) => answer(stream));
    at.routes.set("d", [endpoint("busy", busy.address)]);
    const call = at.caller.call(path, { "x-name": "a" });
    await until(() => at.gateway.queued("d") === 1);
    at.routes.set("d", [endpoint("gone", "unix:/nowhere/at/all.sock")]);
    await until(() => at.gateway.queued("d") === 1 && at.gateway.ongoing("gone") === 0);
    at.routes.set("d", [endpoint("good", good.address)]);
    expect((await call).status).toBe(0);
    expect(notes.of("a")).toEqual([
      ...["admitted", "given busy", "given back busy busy", "queued"],
      ...["given gone", "given back gone away", "queued"],
      ...["given good", "answered", "ended answered 0"],
    ]);
  });

  test("a call given back that goes to another replica at once is not queued", async () => {
    await using house = await observed();
    const { at, notes } = house;
    await using draining = await rawReplica((stream) => {
      at.routes.set("d", [endpoint("draining", draining.address), endpoint("good", good.address)]);
      refuse(stream, "draining");
    });
    await using good = await rawReplica((stream) => answer(stream));
    at.routes.set("d", [endpoint("draining", draining.address)]);
    await at.caller.call(path, { "x-name": "a" });
    expect(notes.of("a")).toEqual([
      ...["admitted", "given draining", "given back draining away"],
      ...["given good", "answered", "ended answered 0"],
    ]);
  });

  test("a call given back that is too long to be kept ends with why", async () => {
    await using house = await observed();
    const { at, notes } = house;
    await using busy = await rawReplica((stream) => stream.resume().once("end", () => refuse(stream, "busy")));
    at.routes.set("d", [endpoint("busy", busy.address)]);
    await at.caller.call(path, { "x-name": "a" }, frame(Buffer.alloc(messageBytesMax + 1)));
    expect(notes.of("a")).toEqual(["admitted", "given busy", "given back busy busy", "ended failed REPLICA_BUSY"]);
  });

  test("a caller that leaves: in the queue, and in work", async () => {
    await using house = await observed();
    const { at, notes } = house;
    await using replica = await rawReplica(() => {});
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
    const first = at.caller.open(path, { "x-name": "first" });
    await until(() => replica.calls === 1);
    const second = at.caller.open(path, { "x-name": "second" });
    await until(() => at.gateway.queued("d") === 1);
    second.close(8);
    await until(() => at.gateway.queued("d") === 0);
    first.close(8);
    await until(() => at.gateway.ongoing("r") === 0);
    expect(notes.of("first")).toEqual(["admitted", "given r", "ended left"]);
    expect(notes.of("second")).toEqual(["admitted", "queued", "ended left"]);
  });

  test("a deadline that passes: in the queue, in work, and in the middle of an answer", async () => {
    const clock = new HandClock();
    await using house = await observed(clock);
    const { at, notes } = house;
    let mute = true;
    await using replica = await rawReplica((stream) => {
      if (!mute) stream.respond({ ":status": 200, "content-type": "application/grpc" });
    });
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
    const headers = (name: string, timeoutMs = 100) => ({ "x-name": name, "grpc-timeout": `${timeoutMs}m` });
    const first = at.caller.call(path, headers("first"));
    await until(() => replica.calls === 1);
    const second = at.caller.call(path, headers("second", 50));
    await until(() => at.gateway.queued("d") === 1);
    mute = false;
    clock.pass(100);
    expect([(await first).status, (await second).status]).toEqual([4, 4]);
    const third = at.caller.call(path, headers("third"));
    await until(() => notes.of("third")?.includes("answered") === true);
    clock.pass(100);
    expect((await third).status).toBe(4);
    expect(notes.of("first")).toEqual(["admitted", "given r", "ended failed DEADLINE"]);
    expect(notes.of("second")).toEqual(["admitted", "queued", "ended failed QUEUE_DEADLINE"]);
    expect(notes.of("third")).toEqual(["admitted", "given r", "answered", "ended failed DEADLINE"]);
  });

  test("a replica that is lost, and one that resets the call", async () => {
    await using house = await observed();
    const { at, notes } = house;
    await using dying = await rawReplica((stream) => stream.session?.socket.destroy());
    at.routes.set("d", [endpoint("dying", dying.address)]);
    await at.caller.call(path, { "x-name": "lost" });
    await using resetting = await rawReplica((stream) => stream.close(2));
    at.routes.set("d", [endpoint("resetting", resetting.address)]);
    await at.caller.call(path, { "x-name": "reset" });
    expect(notes.of("lost")).toEqual(["admitted", "given dying", "ended failed REPLICA_LOST"]);
    expect(notes.of("reset")).toEqual(["admitted", "given resetting", "ended reset 2"]);
  });

  test("a call to the gateway's own services is given to no replica", async () => {
    await using house = await observed();
    const { at, notes } = house;
    await at.caller.call("/grpc.health.v1.Health/Check", { "x-name": "a" }, frame(""));
    expect(notes.of("a")).toEqual(["admitted", "answered", "ended answered 0"]);
    expect(notes.calls[0]?.deployment).toBeUndefined();
  });

  test("a call that the door refuses only ends, and what is not gRPC is not observed", async () => {
    const error = refusal("TOKEN_MISMATCH", "no token");
    await using house = await observed(realClock, { admit: () => ({ kind: "refused", error }) });
    const { at, notes } = house;
    await at.caller.call(path, { "x-name": "a" });
    await at.caller.call(path, { "x-name": "b", "content-type": "text/html" });
    expect(notes.of("a")).toEqual(["ended failed TOKEN_MISMATCH"]);
    expect(notes.calls.length).toBe(1);
  });
});
