import { describe, expect, test } from "vitest";
import { BatchStream, readersOf, slowReaderMs, unreadMax } from "../../src/replica/batch-stream.ts";
import { batchEnd, batched, context, deployment, multiplexed, StatusError } from "../../src/replica/index.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { until } from "../kit/until.ts";
import { failure, gate, serve } from "./harness.ts";

/** Waits long enough for every test to fill its batch first. */
const wait = { batchWaitTimeout: "60s" };

describe("batched methods", () => {
  test("work on several requests at once, in their order, and one bad item fails alone", async () => {
    const sizes: number[] = [];
    class Program {
      double = batched(
        (numbers: number[]) => {
          sizes.push(numbers.length);
          return numbers.map((n) => (n < 0 ? new StatusError("OUT_OF_RANGE", `${n} is negative`) : n * 2));
        },
        { maxBatchSize: 4, ...wait },
      );
    }
    const { invoke } = await serve(deployment(Program));
    const results = await Promise.allSettled([1, 2, -3, 4].map((n) => invoke("double", n)));
    expect(results.map((result) => (result.status === "fulfilled" ? result.value : result.reason.code))).toEqual([
      ...[2, 4, "OUT_OF_RANGE", 8],
    ]);
    expect(sizes).toEqual([4]);
  });

  test("begin before the batch is full once the first request has waited, and a function can be one", async () => {
    const { invoke } = await serve(deployment(batched((names: string[]) => names.map((name) => `hello ${name}`))));
    expect(await invoke("call", "Ada")).toBe("hello Ada");
  });

  test("fail all their requests if the function throws, or gives another number of results", async () => {
    class Program {
      throwing = batched(
        (_: unknown[]): string[] => {
          throw new StatusError("UNAVAILABLE", "the model is away");
        },
        { maxBatchSize: 2, ...wait },
      );
      short = batched((items: unknown[]) => items.slice(1), { maxBatchSize: 2, ...wait });
      stream = batched(
        (items: unknown[]) =>
          (async function* () {
            yield items;
          })() as unknown as unknown[],
        { maxBatchSize: 2, ...wait },
      );
    }
    const { invoke, logged } = await serve(deployment(Program));
    const both = (method: string) => Promise.all([failure(invoke(method, 1)), failure(invoke(method, 2))]);
    for (const { code } of await both("throwing")) expect(code).toBe("UNAVAILABLE");
    for (const method of ["short", "stream"]) for (const { code } of await both(method)) expect(code).toBe("INTERNAL");
    expect(logged[0]?.err?.message).toContain('"short"');
  });

  test("drop a caller that leaves before its batch, and wait no longer than half of a deadline", async () => {
    const batches: unknown[][] = [];
    class Program {
      note = batched(
        (items: unknown[]) => {
          batches.push(items);
          return items;
        },
        { maxBatchSize: 3, ...wait },
      );
    }
    const { invoke, replica } = await serve(deployment(Program));
    const leaving = new AbortController();
    const gone = failure(invoke("note", "gone", { signal: leaving.signal }));
    for await (const { ongoingRequests } of replica.watchLoad({ interval: { nanos: 1 } })) if (ongoingRequests === 1n) break;
    leaving.abort();
    expect((await gone).code).toBe("CANCELLED");
    for await (const { ongoingRequests } of replica.watchLoad({ interval: { nanos: 1 } })) if (ongoingRequests === 0n) break;
    expect(await Promise.all(["a", "b"].map((item) => invoke("note", item, { deadlineMs: 1_200 })))).toEqual(["a", "b"]);
    expect(batches).toEqual([["a", "b"]]);
  });

  test("take new sizes in reconfigure, also for what waits", async () => {
    class Program {
      size = batched((items: unknown[]) => items.map(() => items.length), { maxBatchSize: 100, ...wait });
      reconfigure({ maxBatchSize }: { maxBatchSize: number }) {
        this.size.configure({ maxBatchSize });
      }
    }
    const { invoke, replica } = await serve(deployment(Program));
    const calls = [invoke("size"), invoke("size")];
    for await (const { ongoingRequests } of replica.watchLoad({ interval: { nanos: 1 } })) if (ongoingRequests === 2n) break;
    await replica.reconfigure({ configGeneration: 1n, epoch: 1n, userConfig: { kind: { case: "structValue", value: { fields: two } } } });
    expect(await Promise.all(calls)).toEqual([2, 2]);
  });

  test("are one after the other, and count in WatchLoad", async () => {
    const inWork: number[] = [];
    let now = 0;
    class Program {
      countedInTurn = batched(
        async (items: unknown[]) => {
          inWork.push(++now);
          await new Promise((resolve) => setImmediate(resolve));
          now--;
          return items;
        },
        { maxBatchSize: 2, ...wait },
      );
    }
    const { invoke, replica } = await serve(deployment(Program));
    await Promise.all(Array.from({ length: 8 }, (_, index) => invoke("countedInTurn", index)));
    expect(inWork).toEqual([1, 1, 1, 1]);
    for await (const { batches } of replica.watchLoad({})) {
      const counts = batches.find(({ method }) => method === "countedInTurn");
      expect(counts).toMatchObject({ batchesTotal: 4n, itemsTotal: 8n });
      expect(counts?.waitSecondsTotal).toBeGreaterThanOrEqual(0);
      break;
    }
  });

  test("throw for settings that are none", () => {
    const make = (settings: object) => () => batched((items: unknown[]) => items, settings);
    expect(make({ maxBatchSize: 0 })).toThrow(/maxBatchSize/);
    expect(make({ batchWaitTimeout: "soon" })).toThrow(/batchWaitTimeout/);
    expect(make({ maxConcurrentBatches: 1.5 })).toThrow(/maxConcurrentBatches/);
  });
});

describe("batched streams", () => {
  test("give each request its part of each step, end alone, and fail alone", async () => {
    class Program {
      count = batched(
        async function* (numbers: number[]) {
          for (let step = 0; step < 3; step++)
            yield numbers.map((n) => (n < 0 ? new StatusError("OUT_OF_RANGE", "negative") : step < n ? n * 10 + step : batchEnd));
        },
        { maxBatchSize: 3, ...wait },
      );
    }
    const { stream } = await serve(deployment(Program));
    const results = await Promise.allSettled([1, -1, 5].map((n) => collect(stream("count", n))));
    const got = results.map((result) => (result.status === "fulfilled" ? result.value : result.reason.code));
    expect(got).toEqual([[10], "OUT_OF_RANGE", [50, 51, 52]]);
  });

  test("end when every reader has left, and go on for those that have not", async () => {
    const ended = gate();
    class Program {
      endless = batched(
        async function* (names: string[]) {
          try {
            for (let step = 0; ; step++) {
              yield names.map((name) => `${name} ${step}`);
              await new Promise((resolve) => setImmediate(resolve));
            }
          } finally {
            ended.resolve();
          }
        },
        { maxBatchSize: 2, ...wait },
      );
    }
    const { stream } = await serve(deployment(Program));
    const read = async (name: string, count: number) => {
      const items: unknown[] = [];
      for await (const item of stream("endless", name)) if (items.push(item) === count) break;
      return items.at(-1);
    };
    expect(await Promise.all([read("a", 1), read("b", 300)])).toEqual(["a 0", "b 299"]);
    await ended.promise;
  });
});

test("a reader that is slower than the others fails alone once they have waited for it", async () => {
  const clock = new HandClock();
  const [slow, quick] = [new BatchStream<number>(() => {}), new BatchStream<number>(() => {})];
  const failed: unknown[] = [];
  const keepUp = () =>
    readersOf([slow, quick], clock, (stream, cause) => {
      failed.push(stream, cause.code);
      stream.end({ cause });
    });
  for (let index = 0; index < unreadMax; index++) for (const stream of [slow, quick]) stream.push(index);
  const bothFull = keepUp();
  await quick.next();
  const oneFull = bothFull.then(() => failed.length);
  await until(() => clock.pending === 1);
  clock.pass(slowReaderMs / 2);
  await slow.next();
  expect(await oneFull).toBe(0);
  slow.push(0);
  const again = keepUp();
  await until(() => clock.pending === 1);
  clock.pass(slowReaderMs / 2);
  await again;
  expect(failed).toEqual([slow, "RESOURCE_EXHAUSTED"]);
  expect(quick.isOver).toBe(false);
});

test("a batch gives its results as a list or a typed array, and takes no caller that has left already", async () => {
  const batches: number[][] = [];
  const left = gate<unknown>();
  class Program {
    #half = batched(
      (numbers: number[]) => {
        batches.push(numbers);
        return Float32Array.from(numbers, (n) => n / 2) as unknown as number[];
      },
      { batchWaitTimeout: 0 },
    );
    async half(n: number) {
      return await this.#half(n);
    }
    async late(n: number) {
      const signal = context()?.signal as AbortSignal;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      left.resolve(await this.#half(n).catch((cause: unknown) => cause === signal.reason));
    }
  }
  const { invoke } = await serve(deployment(Program));
  expect(await Promise.all([invoke("half", 3), failure(invoke("late", 1, { deadlineMs: 100 }))])).toMatchObject([1.5, {}]);
  expect(await left.promise).toBe(true);
  expect(batches).toEqual([[3]]);
});

test("a batch works for a request of its own, which ends when all its callers have left", async () => {
  const begun = gate();
  const ended = gate<unknown>();
  class Program {
    wait = batched(
      async (items: unknown[]) => {
        const own = context();
        own?.signal.addEventListener("abort", () => ended.resolve([own.deadlineMs, own.replicaId, own.method]));
        begun.resolve();
        await ended.promise;
        return items;
      },
      { maxBatchSize: 2, ...wait },
    );
  }
  const { invoke } = await serve(deployment(Program));
  const callers = [new AbortController(), new AbortController()];
  const calls = callers.map(({ signal }) => failure(invoke("wait", null, { signal })));
  await begun.promise;
  callers[0]?.abort();
  expect((await calls[0])?.code).toBe("CANCELLED");
  callers[1]?.abort();
  expect(await ended.promise).toEqual([undefined, "echo-1", "wait"]);
  await Promise.all(calls);
});

test("a batch is of requests for one model, which it gets without a name", async () => {
  const batches: string[] = [];
  class Program {
    #model = multiplexed((name) => ({ name }), { maxModels: 2 });
    translate = batched(
      async (texts: string[]) => {
        const { name } = await this.#model();
        expect(context()?.model).toBe(name);
        batches.push(`${name} ${texts.length}`);
        return texts.map((text) => `${name}: ${text}`);
      },
      { maxBatchSize: 2, ...wait },
    );
  }
  const { invoke } = await serve(deployment(Program));
  const call = (text: string, model: string) => invoke("translate", text, { metadata: { "drover-model": model } });
  expect(await Promise.all([call("a", "fr"), call("b", "de"), call("c", "de"), call("d", "fr")])).toEqual([
    ...["fr: a", "de: b", "de: c", "fr: d"],
  ]);
  expect(batches.toSorted()).toEqual(["de 2", "fr 2"]);
});

/** All items of a stream. */
async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const two = { maxBatchSize: { kind: { case: "numberValue" as const, value: 2 } } };
