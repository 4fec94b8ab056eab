// Which replica gets a request that names a model, by the real dispatcher. The replicas keep an LRU of
// models, as the SDKs do, and count what they load.
import { describe, expect, test } from "vitest";
import { Dispatcher } from "../../src/gateway/dispatcher.ts";
import type { Place } from "../../src/gateway/place.ts";
import type { Visit, Waiter } from "../../src/gateway/visit.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { endpoint, TestRoutes } from "./harness.ts";

const names = ["a", "b", "c", "d", "e", "f"];
const maxModels = 3;

class Request implements Waiter {
  readonly model: string;
  place: Place | undefined;
  readonly #work: (request: Request) => void;

  constructor(model: string, work: (request: Request) => void) {
    this.model = model;
    this.#work = work;
  }

  granted(_visit: Visit, place: Place): void {
    this.place = place;
    this.#work(this);
  }

  denied(error: Error): void {
    throw error;
  }
}

function setUp(replicas: readonly string[], maxOngoingRequests = 5) {
  const routes = new TestRoutes();
  let seed = 7;
  const next = () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  };
  const dispatcher = new Dispatcher({ routes, clock: new HandClock(), random: { next, id: () => "" }, onGone: () => {} });
  const held = new Map(replicas.map((id) => [id, [] as string[]]));
  const loads: string[] = [];
  const running: Request[] = [];
  const work = (request: Request) => {
    const { replicaId } = request.place as Place;
    const models = held.get(replicaId) as string[];
    if (!models.includes(request.model)) loads.push(`${request.model} at ${replicaId}`);
    held.set(replicaId, [...models.filter((name) => name !== request.model), request.model].slice(-maxModels));
    running.push(request);
  };
  /** Every replica reports what it holds. */
  const report = () => {
    routes.set(
      "d",
      replicas.map((id) => endpoint(id, undefined, { models: held.get(id) as string[], maxModels })),
      { maxOngoingRequests },
    );
    for (const id of replicas) routes.report(id, running.filter(({ place }) => place?.replicaId === id).length);
  };
  report();
  const enter = (model: string) => {
    const request = new Request(model, work);
    dispatcher.enter("d", request, model);
    return request;
  };
  const endFirst = () => dispatcher.release(running.shift()?.place as Place);
  return { dispatcher, enter, endFirst, report, loads, running, held };
}

/** 60 requests for 6 models, in an order without a pattern that suits. */
const sixty = Array.from({ length: 60 }, (_, index) => names[(index * 7 + Math.floor(index / 6) * 5) % 6] as string);

describe("6 models on 2 replicas of 3 each, 60 requests", () => {
  test("are 6 loads, one after the other, whether or not the replicas report in between", () => {
    for (const reportEvery of [1, 7, 100]) {
      const { enter, endFirst, report, loads } = setUp(["r1", "r2"]);
      sixty.forEach((model, index) => {
        enter(model);
        if (index % reportEvery === 0) report();
        endFirst();
      });
      expect(loads).toHaveLength(6);
    }
  });

  test("are 6 loads also on replicas that are full of other models, however their names hash", () => {
    for (let round = 0; round < 20; round++) {
      const { enter, endFirst, report, loads } = setUp(["multi-1m9vm", "multi-cd050"]);
      const ask = (model: string) => {
        enter(model);
        endFirst();
        report();
      };
      for (const name of sixty) ask(`old-${round}-${name}`);
      loads.length = 0;
      for (const name of sixty) ask(`new-${round}-${name}`);
      expect(loads).toHaveLength(6);
    }
  });

  test("are 6 loads, a few at a time", () => {
    const { enter, endFirst, report, loads, running } = setUp(["r1", "r2"]);
    sixty.forEach((model, index) => {
      enter(model);
      if (index % 11 === 0) report();
      if (running.length === 4) endFirst();
    });
    expect(loads).toHaveLength(6);
  });

  test("are 6 loads, all at once, most of them waiting in the queue", () => {
    const { dispatcher, enter, endFirst, report, loads, running } = setUp(["r1", "r2"]);
    const requests = sixty.map(enter);
    expect(dispatcher.queued("d")).toBe(50);
    for (let ended = 0; running.length > 0; ended++) {
      endFirst();
      if (ended % 9 === 0) report();
    }
    expect(requests.every(({ place }) => place !== undefined)).toBe(true);
    expect(loads).toHaveLength(6);
  });
});

test("a replica with the model that is full does not keep others idle: another one loads it", () => {
  const { enter, held } = setUp(["r1", "r2"], 1);
  const first = enter("a").place?.replicaId;
  const second = enter("a").place?.replicaId;
  expect(new Set([first, second])).toEqual(new Set(["r1", "r2"]));
  expect([...held.values()]).toEqual([["a"], ["a"]]);
});

test("a model that a replica has unloaded is not believed to be there after two reports", () => {
  const { enter, endFirst, report, held, loads } = setUp(["r1", "r2"]);
  const there = enter("a").place?.replicaId as string;
  endFirst();
  const other = there === "r1" ? "r2" : "r1";
  held.set(there, ["x", "y", "z"]);
  held.set(other, ["x", "y"]);
  report();
  report();
  expect(enter("a").place?.replicaId).toBe(other); // the only one with room for one more
  expect(loads).toHaveLength(2);
});

test("requests without a model are served in the order in which they came, also among those with one", () => {
  const { dispatcher, enter, running } = setUp(["r1"], 1);
  enter("a");
  const order: string[] = [];
  const waiter = (name: string): Waiter => ({
    granted: () => order.push(name),
    denied: (error) => {
      throw error;
    },
  });
  for (const [name, model] of [
    ["1", undefined],
    ["2", "b"],
    ["3", undefined],
    ["4", "a"],
  ] as const)
    dispatcher.enter("d", waiter(name), model);
  const place = running[0]?.place as Place;
  for (let ended = 0; ended < 4; ended++) dispatcher.release(place);
  expect(order).toEqual(["1", "2", "3", "4"]);
});
