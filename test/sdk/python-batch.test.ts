// Batched methods and models by name (test/replica/batched.test.ts and multiplexed.test.ts), for
// programs in Python: functions that are async and functions in threads.
import { expect } from "vitest";
import { failure } from "../replica/harness.ts";
import { collect, type Served, serve, pythonTest as test } from "./python-harness.ts";

const program = `
  import asyncio, threading

  closed = []
  batches = []
  go = asyncio.Event()

  class Loaded:
      def __init__(self, name): self.name = name
      def close(self): closed.append(self.name)

  class Program:
      @drover.batch(max_batch_size=4, batch_wait_timeout=60)
      async def double(self, numbers):
          batches.append(numbers)
          return [drover.StatusError("OUT_OF_RANGE", "negative") if n < 0 else n * 2 for n in numbers]
      @drover.batch(max_batch_size=2, batch_wait_timeout="60s")
      def join_thread(self, first, second="-"):
          assert threading.current_thread() is not threading.main_thread()
          return [a + b for a, b in zip(first, second)]
      @drover.batch(max_batch_size=2, batch_wait_timeout=60)
      async def short(self, items): return items[1:]
      @drover.batch(max_batch_size=3, batch_wait_timeout=60)
      async def note(self, items): batches.append(items); return items
      @drover.batch(max_batch_size=100, batch_wait_timeout=60)
      async def size(self, items): return [len(items)] * len(items)
      def reconfigure(self, user_config): self.size.set_max_batch_size(user_config["size"])
      @drover.batch(max_batch_size=3, batch_wait_timeout=60)
      async def count(self, numbers):
          for step in range(3):
              yield [ValueError("negative") if n < 0 else n * 10 + step if step < n else StopAsyncIteration for n in numbers]
      @drover.batch(max_batch_size=3, batch_wait_timeout=60)
      def count_thread(self, numbers):
          for step in range(3): yield [n * 10 + step if step < n else StopIteration for n in numbers]
      @drover.batch(max_batch_size=2, batch_wait_timeout=60)
      async def endless(self, names):
          try:
              step = 0
              while True:
                  yield [f"{name} {step}" for name in names]
                  step += 1
                  await asyncio.sleep(0)
          finally: print("ended")
      @drover.batch(max_batch_size=1)
      async def forever(self, items):
          try:
              print("begun")
              await asyncio.Event().wait()
          finally: print("cancelled")
      async def batches(self): return [list(batch) for batch in batches]

      @drover.multiplexed(max_models=2)
      async def model(self, name): return Loaded(name)
      async def which(self): return (await self.model()).name
      def which_thread(self): return self.model.get().name
      async def named(self, name): return (await self.model(name)).name
      async def closed(self): return list(closed)
      @drover.batch(max_batch_size=2, batch_wait_timeout=60)
      async def translate(self, texts):
          return [f"{(await self.model()).name} {drover.context().model} {len(texts)} {text}" for text in texts]
      @drover.multiplexed(max_models=1)
      def _one(self, name): return Loaded(name)
      async def hold(self):
          name = (await self._one("held")).name
          print("holding")
          await go.wait()
          return [name, "held" in closed]
      async def other(self): return (await self._one("other")).name
      async def let_go(self): go.set()

  @drover.deployment
  @drover.batch
  async def hello(names): return [f"hello {name}" for name in names]

  Whole = drover.deployment(Program)
`;

const whole = () => serve(program, { args: ["program.py", "Whole"] });

async function ongoing({ replica }: Served, wanted: bigint): Promise<void> {
  for await (const { ongoingRequests } of replica.watchLoad({ interval: { nanos: 1 } })) if (ongoingRequests === wanted) return;
}

const outcomes = async (calls: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(calls)).map((result) => (result.status === "fulfilled" ? result.value : result.reason.code));

test("batched methods work on several requests at once, and one bad item fails alone", async () => {
  const { invoke, replica } = await whole();
  expect(await outcomes([1, 2, -3, 4].map((n) => invoke("double", n)))).toEqual([2, 4, "OUT_OF_RANGE", 8]);
  expect(await invoke("batches")).toEqual([[1, 2, -3, 4]]);
  expect(await Promise.all(["a", "b"].map((text) => invoke("join_thread", text)))).toEqual(["a-", "b-"]);
  expect(await outcomes(["a", "b"].map((text) => invoke("short", text)))).toEqual(["INTERNAL", "INTERNAL"]);
  for await (const report of replica.watchLoad({})) {
    const counts = Object.fromEntries(report.batches.map(({ method, batchesTotal, itemsTotal }) => [method, [batchesTotal, itemsTotal]]));
    expect(counts).toEqual({ double: [1n, 4n], join_thread: [1n, 2n], short: [1n, 2n] });
    break;
  }
});

test("a batched function begins once its first request has waited", async () => {
  const { invoke } = await serve(program, { args: ["program.py", "hello"] });
  expect(await invoke("call", "Ada")).toBe("hello Ada");
});

test("batches drop a caller that leaves, wait no longer than half of a deadline, and take new sizes", async () => {
  const it = await whole();
  const leaving = new AbortController();
  const gone = failure(it.invoke("note", "gone", { signal: leaving.signal }));
  await ongoing(it, 1n);
  leaving.abort();
  expect((await gone).code).toBe("CANCELLED");
  await ongoing(it, 0n);
  expect(await Promise.all(["a", "b"].map((item) => it.invoke("note", item, { deadlineMs: 1_200 })))).toEqual(["a", "b"]);
  expect(await it.invoke("batches")).toEqual([["a", "b"]]);
  const calls = [it.invoke("size"), it.invoke("size")];
  await ongoing(it, 2n);
  await it.apply(1, { size: 2 });
  expect(await Promise.all(calls)).toEqual([2, 2]);
  // A batch whose callers have all left is cancelled.
  const alone = new AbortController();
  const call = failure(it.invoke("forever", 1, { signal: alone.signal }));
  await it.printed("begun");
  alone.abort();
  await call;
  await it.printed("cancelled");
});

test("batched streams give each request its part of each step, end alone, and fail alone", async () => {
  const { stream, printed } = await whole();
  expect(await outcomes([1, -1, 5].map((n) => collect(stream("count", n))))).toEqual([[10], "INTERNAL", [50, 51, 52]]);
  expect(await outcomes([1, 0, 5].map((n) => collect(stream("count_thread", n))))).toEqual([[10], [], [50, 51, 52]]);
  const read = async (name: string, count: number) => {
    const items: unknown[] = [];
    for await (const item of stream("endless", name)) if (items.push(item) === count) break;
    return items.at(-1);
  };
  expect(await Promise.all([read("a", 1), read("b", 300)])).toEqual(["a 0", "b 299"]);
  await printed("ended");
});

test("a multiplexed function gives the model that the request names, is no method, and reports what it holds", async () => {
  const it = await whole();
  const named = (model: string) => ({ metadata: { "drover-model": model } });
  expect(await it.invoke("which", null, named("en"))).toBe("en");
  expect(await it.invoke("which_thread", null, named("fr"))).toBe("fr");
  expect(await it.invoke("which_thread", null, named("en"))).toBe("en");
  expect(await it.invoke("named", "de")).toBe("de");
  expect(await it.invoke("closed")).toEqual(["fr"]);
  for await (const { models, maxModels } of it.replica.watchLoad({})) {
    expect({ models, maxModels }).toEqual({ models: ["en", "de"], maxModels: 2 });
    break;
  }
  expect(await failure(it.invoke("model", "en"))).toMatchObject({ reason: "METHOD_NOT_FOUND" });
  for (const error of [await failure(it.invoke("which")), await failure(it.invoke("which", null, named("x".repeat(300))))])
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", facts: { violations: [{ field: "drover-model" }] } });
  const texts = [
    ["a", "fr"],
    ["b", "de"],
    ["c", "de"],
    ["d", "fr"],
  ] as const;
  expect(await Promise.all(texts.map(([text, model]) => it.invoke("translate", text, named(model))))).toEqual([
    ...["fr fr 2 a", "de de 2 b", "de de 2 c", "fr fr 2 d"],
  ]);
});

test("models that load without an end, or do not close, keep no other model from being loaded", async () => {
  const source = `
    import asyncio, drover.models
    drover.models.MODEL_CLOSE = 0.05
    class Loaded:
        def __init__(self, name): self.name = name
        async def close(self):
            if self.name == "stays": await asyncio.Event().wait()
            raise SystemExit(1)
    class Unclosable:
        name = "unclosable"
        @property
        def close(self): raise ValueError("no")
    @drover.deployment
    class Program:
        @drover.multiplexed(max_models=2)
        async def model(self, name):
            if name == "hangs":
                print("hanging")
                await asyncio.Event().wait()
            return Unclosable() if name == "unclosable" else Loaded(name)
        async def named(self, name): return (await self.model(name)).name
  `;
  const it = await serve(source);
  const leaving = new AbortController();
  const hanging = failure(it.invoke("named", "hangs", { signal: leaving.signal }));
  await it.printed("hanging");
  leaving.abort();
  await hanging;
  for (const name of ["a", "unclosable", "stays", "c", "d"]) expect(await it.invoke("named", name)).toBe(name);
});

test("a reader of a batch of streams that is slower than the others fails alone", async () => {
  const source = `
    import asyncio, drover.batching
    drover.batching.SLOW_READER = 0.05
    @drover.deployment
    class Program:
        @drover.batch(max_batch_size=2, batch_wait_timeout=60)
        async def count(self, names):
            for step in range(500): yield [step for _ in names]
        async def fail_alone(self):
            async def slow():
                got = []
                try:
                    async for step in self.count("slow"):
                        got.append(step)
                        if step == 0: await done.wait()
                except drover.StatusError as error:
                    return [len(got), error.code]
            done = asyncio.Event()
            task = asyncio.ensure_future(slow())
            quick = [step async for step in self.count("quick")]
            done.set()
            return [len(quick), await task]
  `;
  const { invoke } = await serve(source);
  expect(await invoke("fail_alone")).toEqual([500, [101, "RESOURCE_EXHAUSTED"]]);
});

test("a model stays for a request until that ends", async () => {
  const it = await whole();
  const first = it.invoke("hold");
  await it.printed("holding");
  const second = it.invoke("other");
  await ongoing(it, 2n);
  await it.invoke("let_go");
  expect([await first, await second]).toEqual([["held", false], "other"]);
});
