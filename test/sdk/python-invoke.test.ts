// What src/replica holds for programs in TypeScript (test/replica/invoke.test.ts), held for
// programs in Python.
import fc from "fast-check";
import { describe, expect } from "vitest";
import { change, failure } from "../replica/harness.ts";
import { collect, serve, pythonTest as test } from "./python-harness.ts";

const program = `
  import asyncio, dataclasses, datetime, enum

  class Color(str, enum.Enum):
      RED = "red"

  class Level(enum.IntEnum):
      HIGH = 3

  class Base:
      def inherited(self):
          return "from the base"

  @dataclasses.dataclass
  class Point:
      x: int
      y: tuple

  @drover.deployment
  class Program(Base):
      callable_model = type("Model", (), {"__call__": lambda self, x: x})()

      def __init__(self, **init_args):
          self.init_args = init_args
          self.own = lambda: "own"
          self.model = Program.target.callable_model

      def echo(self, input): return input
      async def args(self): return self.init_args
      def context(self, input, context):
          return {"deadline": type(context.deadline).__name__, "caller": context.metadata.get("x-caller"), "revision": context.revision,
                  "replica_id": context.replica_id, "deployment": context.deployment, "cancelled": context.is_cancelled()}
      def metadata(self, names, context):
          describe = lambda value: {"bytes": list(value)} if isinstance(value, bytes) else value
          given = context.metadata
          return [[describe(given.get(name)), [describe(one) for one in given.get_all(name)], name.lower() in given] for name in names]
      async def by_keyword(self, input, *, context): return context.replica_id
      def scaled(self, input, scale=2): return input * scale
      def nothing(self): pass
      def day(self): return datetime.date(1970, 1, 1)
      def point(self): return [Point(1, (2, 3))]
      def color(self): return {"value": Color.RED, Color.RED: Level.HIGH}
      def half(self): return {"text": "a\\ud800b"}
      def half_name(self): return [{"\\udc00": 1}]
      def whole(self, input): return type(input).__name__
      def bad(self): return {"scores": [1, float("nan")]}
      def big(self): return 2**53 + 1
      def keys(self): return {1: 2}
      def refuse(self): raise drover.StatusError("OUT_OF_RANGE", "not that far", metadata={"limit": "5"}, retry_after=2)
      def crash(self): raise RuntimeError("the password is hunter2")
      def stop(self): raise StopIteration
      def leave(self): raise SystemExit(3)
      async def leave_async(self): raise SystemExit(3)
      def interrupt(self): raise KeyboardInterrupt
      async def interrupt_async(self): raise KeyboardInterrupt
      async def base(self): raise BaseException("of nobody's")
      async def cancel(self):
          task = asyncio.ensure_future(asyncio.sleep(60))
          asyncio.get_running_loop().call_soon(task.cancel)
          await task
      def close_generator(self): raise GeneratorExit
      async def close_generator_async(self): raise GeneratorExit
      async def cancel_self(self):
          asyncio.current_task().cancel()
          await asyncio.sleep(60)
      async def cancel_later(self):
          yield 1
          raise asyncio.CancelledError
      async def count(self, to):
          for n in range(1, to + 1): yield n
      def sync_count(self, to):
          for n in range(1, to + 1): yield n
      async def breaks(self):
          yield 1
          raise drover.StatusError("DATA_LOSS", "the rest is gone")
      def lists(self): return [1, 2]
      def iterator(self): return iter([1, 2])
      def returns_coroutine(self): return self.args()
      @staticmethod
      def added(pair): return pair[0] + pair[1]
      @property
      def getter(self): return lambda: "a property is no method"
      def _private(self): return "hidden"
      def check_health(self): pass
`;

describe("Invoke", () => {
  test("passes any JSON value to the program and back", async () => {
    const { invoke } = await serve(program);
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (json) => {
        // Half a character has no bytes; in JavaScript it travels as the sign of what is wrong.
        const wellFormed = JSON.parse(JSON.stringify(json).replace(/\\ud[89a-f][0-9a-f]{2}/g, "?"));
        expect(await invoke("echo", wellFormed)).toEqual(wellFormed); // the order of members is not kept
      }),
    );
  });

  test("passes bytes unchanged, and whole numbers as ints", async () => {
    const { invoke } = await serve(program);
    const bytes = new Uint8Array([0, 255, 128]);
    expect(new Uint8Array((await invoke("echo", bytes)) as Uint8Array)).toEqual(bytes);
    expect([await invoke("whole", 5), await invoke("whole", 0.5), await invoke("whole", true)]).toEqual(["int", "float", "bool"]);
  });

  test("constructs with arguments of the types of the parameters, by place where they have no name", async () => {
    const source = `
      import dataclasses
      import drover
      @dataclasses.dataclass
      class Size:
          n: int
          unit: str = "m"
      @drover.deployment
      class Panel:
          def __init__(self, first, /, size: Size, *more: Size, plain: dict[str, int]):
              self.texts = [repr(one) for one in (first, size, *more, plain)]
          def get(self): return self.texts
    `;
    const initArgs = { size: { n: 1 }, first: { a: 1 }, plain: { b: 2 }, more: [{ n: 2, unit: "s" }] };
    const { invoke } = await serve(source, { env: { DROVER_INIT_ARGS: JSON.stringify(initArgs) } });
    expect(await invoke("get")).toEqual(["{'a': 1}", "Size(n=1, unit='m')", "Size(n=2, unit='s')", "{'b': 2}"]);
  });

  test("calls own, inherited, static and instance methods, with init_args as keywords of the constructor", async () => {
    const { invoke } = await serve(program, { env: { DROVER_INIT_ARGS: '{"model":"large"}' } });
    expect(await invoke("args")).toEqual({ model: "large" });
    expect(await invoke("inherited")).toBe("from the base");
    expect(await invoke("own")).toBe("own");
    expect(await invoke("added", [1, 2])).toBe(3);
    expect(await invoke("nothing")).toBe(null);
    expect(await invoke("day")).toBe("1970-01-01");
    expect(await invoke("point")).toEqual([{ x: 1, y: [2, 3] }]);
    expect(await invoke("lists")).toEqual([1, 2]);
    expect(await invoke("color")).toEqual({ value: "red", red: 3 });
    expect(await invoke("returns_coroutine")).toEqual({ model: "large" });
    expect(await invoke("scaled", 4)).toBe(8);
  });

  test("passes the caller's context and the replica's identity to the program", async () => {
    const { invoke } = await serve(program);
    expect(await invoke("context", null, { deadlineMs: 60_000, metadata: { "x-caller": "me" } })).toEqual({
      ...{ deadline: "float", caller: "me", replica_id: "echo-1", deployment: "echo", revision: 7, cancelled: false },
    });
    expect(await invoke("by_keyword")).toBe("echo-1");
  });

  test("passes the caller's metadata: text, bytes, and what came several times", async () => {
    const { invoke } = await serve(program);
    const metadata = {
      "x-tag": ["a", "b, c"],
      "x-one": "1",
      "x-bin": Uint8Array.of(0, 255, 254, 1),
      "y-bin": [Uint8Array.of(), Uint8Array.of(2)],
    };
    const bytes = (...values: number[]) => ({ bytes: values });
    expect(await invoke("metadata", ["x-tag", "X-One", "x-bin", "y-bin", "none", "constructor"], { metadata })).toEqual([
      ["a, b, c", ["a", "b, c"], true],
      ["1", ["1"], true],
      [bytes(0, 255, 254, 1), [bytes(0, 255, 254, 1)], true],
      [bytes(), [bytes(), bytes(2)], true],
      [null, [], false],
      [null, [], false],
    ]);
    const odd = { constructor: "x", from: ["a", "b"], tostring: "y" };
    const odds = ["x", "a, b", "y"].map((value) => [value, [value], true]);
    expect(await invoke("metadata", ["constructor", "from", "tostring"], { metadata: odd })).toEqual(odds);
  });

  test("calls a function as call, and by its name", async () => {
    const { invoke } = await serve("@drover.deployment\ndef double(n):\n    return 2 * n");
    expect([await invoke("", 2), await invoke("call", 3), await invoke("double", 4)]).toEqual([4, 6, 8]);
    expect((await failure(invoke("bind"))).message).toBe('no method "bind"; there are: call, double');
  });

  test("calls a class that can be called as call, where it has no other", async () => {
    const source = "class A:\n    def __call__(self, n): return n + 1\nclass B(A):\n    def call(self, n): return n + 2";
    for (const [name, result] of [["A", 3] as const, ["B", 4] as const]) {
      expect(await (await serve(source, { args: ["program.py", name] })).invoke("", 2)).toBe(result);
    }
  });

  test("never calls what is not public, no method or a hook", async () => {
    const { invoke } = await serve(program);
    for (const name of ["__init__", "_private", "check_health", "init_args", "getter", "callable_model_", "model", "__class__"]) {
      const error = await failure(invoke(name));
      expect(error, name).toMatchObject({ code: "NOT_FOUND", reason: "METHOD_NOT_FOUND" });
      expect(error.message).toContain("there are: added, args, bad, base, big, breaks, by_keyword");
    }
  });

  test("of another deployment's request is refused", async () => {
    const { invokeService } = await serve(program);
    await invokeService.invoke({ deployment: "echo", method: "lists" });
    expect(await failure(invokeService.invoke({ deployment: "other", method: "lists" }))).toMatchObject({ reason: "WRONG_REPLICA" });
  });

  test("passes on a status the program raises, with its facts", async () => {
    const { invoke, kill, ended } = await serve(program);
    const error = await failure(invoke("refuse"));
    expect(error).toMatchObject({ code: "OUT_OF_RANGE", message: "not that far", facts: { retryAfterMs: 2000 } });
    kill("SIGTERM");
    expect((await ended).stderr).toBe("");
  });

  test("keeps any other error to itself, and logs it under the request's id with the program's own frames", async () => {
    const { invoke, stream, kill, ended } = await serve(program);
    const error = await failure(invoke("crash", null, { metadata: { "x-request-id": "r-1" } }));
    expect(error).toMatchObject({
      code: "INTERNAL",
      reason: "PROGRAM_ERROR",
      facts: { metadata: { request_id: "r-1", method: "crash", replica_id: "echo-1" } },
    });
    expect(error.message).not.toContain("hunter2");
    for (const method of [
      "stop",
      "leave",
      "leave_async",
      "interrupt",
      "interrupt_async",
      "base",
      "cancel",
      "close_generator",
      "close_generator_async",
    ])
      expect(await failure(invoke(method))).toMatchObject({ reason: "PROGRAM_ERROR" });
    expect(await failure(invoke("cancel_self"))).toBeDefined();
    expect(await failure(collect(stream("cancel_later")))).toMatchObject({ reason: "PROGRAM_ERROR" });
    expect(await invoke("echo", 1)).toBe(1);
    kill("SIGTERM");
    const { stderr } = await ended;
    expect(stderr).toMatch(/^request r-1: crash failed: Traceback[^\n]*\n +File "[^"]*program\.py"/);
    expect(stderr).toContain("RuntimeError: the password is hunter2");
    expect(stderr).not.toContain("drover/invoke.py");
  });

  test("says where a result is not JSON", async () => {
    const { invoke } = await serve(program);
    const wrong = {
      ...{ bad: "result.scores[1] is NaN", big: "result is an int beyond 2^53", keys: "result is an object with the key 1" },
      ...{ half: "result.text is text with half a character", half_name: "result[0] is text with half a character" },
    };
    for (const [name, what] of Object.entries(wrong)) {
      const error = await failure(invoke(name));
      expect(error.reason).toBe("PROGRAM_ERROR");
      expect(error.message).toContain(`the result of "${name}" is not JSON: ${what}`);
    }
  });

  test("of a method that streams says to use the other call", async () => {
    const { invoke } = await serve(program);
    for (const name of ["count", "sync_count", "iterator"]) {
      const error = await failure(invoke(name, name === "iterator" ? null : 3));
      expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toContain("call it with InvokeServerStream");
    }
  });

  test("of a message above the bound is refused: a request as the caller's error, a result as the program's", async () => {
    const bound = 65_536;
    const source = `
      @drover.deployment
      class Program:
          def size(self, data): return len(data)
          def zeros(self, length): return bytes(length)
          def several(self, lengths): yield from (bytes(length) for length in lengths)
          def reconfigure(self, user_config): pass
    `;
    const { invoke, stream, replica } = await serve(source, { env: { DROVER_MAX_MESSAGE_BYTES: String(bound) } });
    expect(await invoke("size", new Uint8Array(65_000))).toBe(65_000);
    expect(await failure(invoke("size", new Uint8Array(bound)))).toMatchObject({ reason: "MESSAGE_TOO_LARGE" });
    expect(await invoke("zeros", 65_000)).toHaveLength(65_000);
    expect(await failure(invoke("zeros", bound))).toMatchObject({ code: "INTERNAL", reason: "PROGRAM_ERROR" });
    const items = stream("several", [1, bound, 2]);
    expect((await items.next()).value).toHaveLength(1);
    expect(await failure(items.next())).toMatchObject({ reason: "PROGRAM_ERROR" });
    // Control has its own bound.
    expect((await replica.reconfigure(change(1, "x".repeat(1_000_000)))).configGeneration).toBe(1n);
  });

  test("of methods that are not async runs them at the same time, in threads", async () => {
    const source = `
      import threading
      together = threading.Barrier(3)
      @drover.deployment
      def meet(n): return together.wait(30) >= 0
    `;
    const { invoke } = await serve(source);
    expect(await Promise.all([invoke("meet"), invoke("meet"), invoke("meet")])).toEqual([true, true, true]);
  });
});

describe("InvokeServerStream", () => {
  test("streams the items of generators and iterators, and any other result as a single item", async () => {
    const { stream } = await serve(program);
    expect(await collect(stream("count", 3))).toEqual([1, 2, 3]);
    expect(await collect(stream("count", 0))).toEqual([]);
    expect(await collect(stream("sync_count", 3))).toEqual([1, 2, 3]);
    expect(await collect(stream("iterator"))).toEqual([1, 2]);
    expect(await collect(stream("lists"))).toEqual([[1, 2]]);
    expect(await collect(stream("echo", "abc"))).toEqual(["abc"]);
  });

  test("streams the items before a failure, then the failure", async () => {
    const { stream } = await serve(program);
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const item of stream("breaks")) got.push(item);
    })();
    expect(await failure(reading)).toMatchObject({ code: "DATA_LOSS", message: "the rest is gone" });
    expect(got).toEqual([1]);
  });
});
