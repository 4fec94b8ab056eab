import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StatusError } from "../../src/core/errors.ts";
import { Dispatcher, noReplicaWaitMs, triesMax } from "../../src/gateway/dispatcher.ts";
import type { Place } from "../../src/gateway/place.ts";
import type { Visit, Waiter } from "../../src/gateway/visit.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { endpoint, TestRoutes } from "./harness.ts";

/** A request that notes what becomes of it. */
class Request implements Waiter {
  readonly name: string;
  readonly log: string[];
  visit: Visit | undefined;
  place: Place | undefined;
  error: StatusError | undefined;

  constructor(name: string, log: string[] = []) {
    this.name = name;
    this.log = log;
  }

  granted(visit: Visit, place: Place): void {
    this.visit = visit;
    this.place = place;
    this.log.push(this.name);
  }

  denied(error: StatusError): void {
    this.error = error;
  }
}

function setUp() {
  const routes = new TestRoutes();
  const clock = new HandClock();
  let seed = 1;
  const next = () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  };
  const random = { next, id: () => "" };
  const gone: string[] = [];
  const dispatcher = new Dispatcher({ routes, clock, random, onGone: (place) => gone.push(place.endpoint.replicaId) });
  const log: string[] = [];
  const enter = (name: string, deployment = "d") => {
    const request = new Request(name, log);
    request.visit = dispatcher.enter(deployment, request);
    return request;
  };
  return { routes, clock, dispatcher, gone, log, enter };
}

describe("dispatcher", () => {
  test("waiting requests are served in the order in which they came", () => {
    const { routes, dispatcher, log, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    const requests = ["a", "b", "c", "d"].map((name) => enter(name));
    expect(dispatcher.queued("d")).toBe(3);
    for (const request of requests) dispatcher.release(request.place as Place);
    expect(log).toEqual(["a", "b", "c", "d"]);
    expect(dispatcher.ongoing("r1")).toBe(0);
  });

  test("a new request does not pass waiting ones", () => {
    const { routes, dispatcher, log, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    const a = enter("a");
    enter("b");
    routes.set("d", [endpoint("r1"), endpoint("r2")]);
    enter("c");
    dispatcher.release(a.place as Place);
    expect(log).toEqual(["a", "b", "c"]);
  });

  test("a request that leaves the queue is not served, and its wait does not count any more", () => {
    const { routes, dispatcher, log, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1, maxQueuedRequests: 2 });
    const a = enter("a");
    const b = enter("b");
    enter("c");
    expect(enter("full").error?.reason).toBe("QUEUE_FULL");
    dispatcher.leave(b.visit as Visit);
    expect(dispatcher.queued("d")).toBe(1);
    expect(enter("d").error).toBeUndefined();
    dispatcher.release(a.place as Place);
    expect(log).toEqual(["a", "c"]);
  });

  test("above the bound the queue refuses, saying when to come back", () => {
    const { routes, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1, maxQueuedRequests: 0 });
    enter("a");
    const { error } = enter("b");
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "QUEUE_FULL" });
    expect(error?.facts.retryAfterMs).toBeGreaterThanOrEqual(100);
    expect(error?.facts.retryAfterMs).toBeLessThanOrEqual(1_000);
  });

  test("a higher bound, and a new replica, serve waiting requests at once", () => {
    const { routes, dispatcher, log, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    for (const name of ["a", "b", "c", "d"]) enter(name);
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 2 });
    expect(log).toEqual(["a", "b"]);
    routes.set("d", [endpoint("r1"), endpoint("r2")]);
    expect(log).toEqual(["a", "b", "c", "d"]);
    expect([dispatcher.ongoing("r1"), dispatcher.ongoing("r2")]).toEqual([2, 2]);
  });

  test("without any replica a request waits for one, but not longer than the bound", () => {
    const { routes, clock, dispatcher, log, enter } = setUp();
    routes.set("d", []);
    const early = enter("early");
    clock.pass(10_000);
    const late = enter("late");
    clock.pass(noReplicaWaitMs - 10_001);
    expect(early.error).toBeUndefined();
    clock.pass(1);
    expect(early.error).toMatchObject({ code: "UNAVAILABLE", reason: "NO_REPLICA" });
    expect(late.error).toBeUndefined();
    routes.set("d", [endpoint("r1")]);
    expect(log).toEqual(["late"]);
    dispatcher.release(late.place as Place);
    expect(clock.pending).toBe(0);
  });

  test("where no replica is expected no request waits, unless a replica is started for waiting requests", () => {
    const { routes, clock, enter } = setUp();
    routes.set("d", []);
    const early = enter("early");
    clock.pass(1_000);
    routes.set("d", [], { noReplicaExpected: "rolloutFailed" });
    const late = enter("late");
    clock.pass(1);
    for (const { error } of [early, late])
      expect(error).toMatchObject({ reason: "NO_REPLICA", message: 'no replica of "d" runs, and its rollout has failed' });
    routes.set("d", [], { coldStartMs: 60_000 });
    const cold = enter("cold");
    clock.pass(59_999);
    expect(cold.error).toBeUndefined();
    routes.set("d", [endpoint("r1")]);
    expect(cold.error).toBeUndefined();
    expect(clock.pending).toBe(0);
  });

  test("the wait for a first replica is counted from when the last one went", () => {
    const { routes, clock, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    enter("a");
    const b = enter("b");
    clock.pass(noReplicaWaitMs * 2);
    routes.set("d", []);
    clock.pass(noReplicaWaitMs - 1);
    expect(b.error).toBeUndefined();
    clock.pass(1);
    expect(b.error?.reason).toBe("NO_REPLICA");
  });

  test("a deployment that is gone, or never was, is not found", () => {
    const { routes, dispatcher, gone, enter } = setUp();
    expect(enter("x", "none").error?.reason).toBe("DEPLOYMENT_NOT_FOUND");
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    const a = enter("a");
    const b = enter("b");
    routes.delete("d");
    expect(b.error).toMatchObject({ code: "NOT_FOUND", reason: "DEPLOYMENT_NOT_FOUND" });
    expect(a.error).toBeUndefined();
    expect(gone).toEqual(["r1"]);
    dispatcher.release(a.place as Place);
    expect(enter("c").error?.reason).toBe("DEPLOYMENT_NOT_FOUND");
  });

  test("a request given back goes to another replica, before all later requests", () => {
    const { routes, dispatcher, log, enter } = setUp();
    routes.set("d", [endpoint("r1"), endpoint("r2")], { maxOngoingRequests: 1 });
    const a = enter("a");
    const b = enter("b");
    enter("c");
    enter("d");
    const [first, second] = [a.place as Place, b.place as Place];
    dispatcher.giveBack(first, "busy", a.visit as Visit);
    dispatcher.release(second);
    expect(log).toEqual(["a", "b", "a"]);
    expect(a.place).toBe(second);
  });

  test("a replica that gave one back is left alone for a moment, twice as long each time", () => {
    const { routes, clock, dispatcher, log, enter } = setUp();
    routes.set("d", [endpoint("r1")]);
    const a = enter("a");
    dispatcher.giveBack(a.place as Place, "busy", a.visit as Visit);
    clock.pass(4);
    expect(log.length).toBe(1);
    clock.pass(1);
    expect(log.length).toBe(2);
    dispatcher.giveBack(a.place as Place, "busy", a.visit as Visit);
    clock.pass(9);
    expect(log.length).toBe(2);
    clock.pass(1);
    expect(log.length).toBe(3);
    dispatcher.accepted(a.place as Place);
    dispatcher.giveBack(a.place as Place, "busy", a.visit as Visit);
    clock.pass(5);
    expect(log.length).toBe(4);
  });

  test("a busy replica is asked again as soon as it ends a request", () => {
    const { routes, dispatcher, log, enter } = setUp();
    routes.set("d", [endpoint("r1")]);
    const a = enter("a");
    const b = enter("b");
    dispatcher.giveBack(b.place as Place, "busy", b.visit as Visit);
    expect(log).toEqual(["a", "b"]);
    dispatcher.release(a.place as Place);
    expect(log).toEqual(["a", "b", "b"]);
  });

  test("a report that shows room ends the rest of a replica that was full, and no other rest", () => {
    const { routes, clock, dispatcher, log, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 2 });
    const a = enter("a");
    dispatcher.giveBack(a.place as Place, "busy", a.visit as Visit);
    routes.report("r1", 2);
    expect(log).toEqual(["a"]);
    routes.report("r1", 1);
    expect(log).toEqual(["a", "a"]);
    dispatcher.giveBack(a.place as Place, "away", a.visit as Visit);
    routes.report("r1", 0);
    expect(log).toEqual(["a", "a"]);
    clock.pass(1_000);
    expect(log).toEqual(["a", "a", "a"]);
  });

  test("a request that ends while its replica rests makes room for all requests that were given back", () => {
    const { routes, clock, dispatcher, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 5 });
    const requests = ["a", "b", "c", "d", "e"].map((name) => enter(name));
    const [first, ...others] = requests as [Request, ...Request[]];
    for (const { place, visit } of others) dispatcher.giveBack(place as Place, "busy", visit as Visit);
    expect([dispatcher.ongoing("r1"), dispatcher.queued("d")]).toEqual([1, 4]);
    dispatcher.release(first.place as Place);
    expect([dispatcher.ongoing("r1"), dispatcher.queued("d"), clock.pending]).toEqual([4, 0, 0]);
  });

  test("a waiter that throws while it is served does not keep others from being served later", () => {
    const { routes, dispatcher, log, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    const a = enter("a");
    let place: Place | undefined;
    dispatcher.enter("d", {
      granted: (_visit, given) => {
        place = given;
        throw new Error("thrown by a waiter");
      },
      denied: () => {},
    });
    enter("b");
    expect(() => dispatcher.release(a.place as Place)).toThrow("thrown by a waiter");
    dispatcher.release(place as Place);
    expect(log).toEqual(["a", "b"]);
  });

  test("a request that is given back again and again is given up", () => {
    const { routes, clock, dispatcher, enter } = setUp();
    routes.set("d", [endpoint("r1")]);
    const a = enter("a");
    for (let tries = 0; tries < triesMax; tries++) {
      expect(a.error).toBeUndefined();
      dispatcher.giveBack(a.place as Place, "busy", a.visit as Visit);
      clock.pass(1_000);
    }
    expect(a.error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "REPLICA_BUSY" });
    expect(dispatcher.ongoing("r1")).toBe(0);
  });

  test("unreachable replicas count as none: no request waits longer than the bound", () => {
    const { routes, clock, dispatcher, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    const requests = Array.from({ length: 5 }, (_, index) => enter(String(index)));
    for (let ms = 0; ms < noReplicaWaitMs + 1_000; ms += 5) {
      for (const request of requests) {
        const { place } = request;
        request.place = undefined;
        if (place !== undefined) dispatcher.giveBack(place, "away", request.visit as Visit);
      }
      clock.pass(5);
    }
    expect(requests.map(({ error }) => error?.reason)).toEqual(Array(5).fill("NO_REPLICA"));
  });

  test("a replica out of the routes gets nothing more, and keeps its count until its last request ends", () => {
    const { routes, dispatcher, gone, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    const a = enter("a");
    routes.set("d", []);
    expect(gone).toEqual(["r1"]);
    const b = enter("b");
    expect(dispatcher.ongoing("r1")).toBe(1);
    routes.set("d", [endpoint("r1")]);
    expect(b.place).toBeUndefined();
    dispatcher.release(a.place as Place);
    expect(b.place).toBe(a.place);
  });

  test("a request that gives its place back while it is being granted does not pile up calls", () => {
    const { routes, dispatcher, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    const first = enter("first");
    let ended = 0;
    for (let index = 0; index < 50_000; index++) {
      dispatcher.enter("d", {
        granted: (_visit, place) => {
          ended++;
          dispatcher.release(place);
        },
        denied: () => {},
      });
    }
    dispatcher.release(first.place as Place);
    expect(ended).toBe(50_000);
    expect(dispatcher.ongoing("r1")).toBe(0);
  });

  test("closing denies waiting and new requests", () => {
    const { routes, clock, dispatcher, enter } = setUp();
    routes.set("d", [endpoint("r1")], { maxOngoingRequests: 1 });
    enter("a");
    const b = enter("b");
    dispatcher.close();
    const errors = [b.error, enter("c").error];
    expect(errors.map((error) => error?.reason)).toEqual(["SHUTTING_DOWN", "SHUTTING_DOWN"]);
    for (const error of errors) expect(error?.facts.retryAfterMs).toBeGreaterThan(0);
    expect(clock.pending).toBe(0);
  });

  test("whatever happens, no replica has more than its bound, and no request waits while a place is free", () => {
    const deed = fc.oneof(
      { arbitrary: fc.constant({ kind: "enter" as const }), weight: 3 },
      fc.record({ kind: fc.constantFrom("release" as const, "busy" as const, "away" as const, "leave" as const), which: fc.nat(50) }),
      fc.record({ kind: fc.constant("routes" as const), replicas: fc.subarray(["r1", "r2", "r3"]), max: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 1, max: 2_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 100, size: "max" }), (deeds) => {
        const { routes, clock, dispatcher, enter } = setUp();
        let routed = ["r1", "r2"];
        let max = 3;
        let all: Request[] = [];
        const set = () => {
          routes.set(
            "d",
            routed.map((id) => endpoint(id)),
            { maxOngoingRequests: max },
          );
        };
        set();
        const bound = new Map<string, number>();
        const places = new Set<Place>();
        for (const next of deeds) {
          const working = all.filter(({ place }) => place !== undefined);
          if (next.kind === "enter") all.push(enter("x"));
          else if (next.kind === "routes") {
            routed = next.replicas;
            max = next.max;
            set();
          } else if (next.kind === "time") clock.pass(next.ms);
          else if (next.kind === "leave") {
            const waiting = all.filter(({ place, error }) => place === undefined && error === undefined);
            const one = waiting[next.which % Math.max(1, waiting.length)];
            if (one !== undefined) dispatcher.leave(one.visit as Visit);
            all = all.filter((other) => other !== one);
          } else {
            const one = working[next.which % Math.max(1, working.length)];
            if (one === undefined) continue;
            const place = one.place as Place;
            one.place = undefined;
            if (next.kind === "release") {
              all = all.filter((other) => other !== one);
              dispatcher.release(place);
            } else dispatcher.giveBack(place, next.kind, one.visit as Visit);
          }
          for (const id of ["r1", "r2", "r3"]) {
            const held = all.filter(({ place }) => place?.endpoint.replicaId === id);
            expect(dispatcher.ongoing(id)).toBe(held.length);
            // A lower bound fills up to nothing new; those in work stay.
            const before = bound.get(id) ?? 0;
            expect(held.length).toBeLessThanOrEqual(Math.max(max, before));
            bound.set(id, held.length);
          }
          const waiting = all.filter(({ place, error }) => place === undefined && error === undefined);
          expect(dispatcher.queued("d")).toBe(waiting.length);
          for (const { place } of all) if (place !== undefined) places.add(place);
          if (waiting.length > 0) {
            for (const place of places) expect(!place.routed || place.resting || place.ongoing >= max).toBe(true);
          }
        }
        clock.pass(1_000); // every rest is over
        for (const id of routed) expect(dispatcher.queued("d") === 0 || dispatcher.ongoing(id) >= max).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
