import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RequestContext } from "../../src/replica/index.ts";
import { deployment, handle, StatusError } from "../../src/replica/index.ts";
import { failure, gate, serve } from "./harness.ts";

/** Bytes as a list of numbers, and marked as such. */
const described = (value: string | Uint8Array | undefined) =>
  value instanceof Uint8Array ? { bytes: [...value], plain: !Buffer.isBuffer(value) } : (value ?? null);

class Base {
  inherited() {
    return "from the base";
  }
}

class Program extends Base {
  readonly initArgs: unknown;
  own = () => "own";
  notCallable = 5;

  constructor(initArgs: unknown) {
    super();
    this.initArgs = initArgs;
  }

  echo(input: unknown) {
    return input;
  }
  async args() {
    return this.initArgs;
  }
  context(_input: unknown, context: RequestContext) {
    const { deadlineMs, metadata, replicaId, deployment, revision, signal } = context;
    return { deadline: typeof deadlineMs, caller: metadata.get("x-caller"), replicaId, deployment, revision, aborted: signal.aborted };
  }
  metadata(names: readonly string[], context: RequestContext) {
    const { metadata } = context;
    return names.map((name) => [described(metadata.get(name)), metadata.getAll(name).map(described)]);
  }
  nothing() {}
  day() {
    return new Date(0);
  }
  bad() {
    return { scores: [1, Number.NaN] };
  }
  partial() {
    return { text: "a\ud800b" };
  }
  partialName() {
    return [{ "\udc00": 1 }];
  }
  refuse() {
    throw new StatusError("OUT_OF_RANGE", "not that far", { metadata: { limit: "5" }, retryAfterMs: 2000 });
  }
  refuseWrongly(facts: object) {
    throw new StatusError((facts as { code?: "ABORTED" }).code ?? "ABORTED", "no", facts);
  }
  refuseByAnotherCopy() {
    throw Object.assign(new Error("theirs"), { name: "StatusError", code: "ABORTED", facts: {} });
  }
  crashInCircles() {
    const cause: { self?: unknown } = {};
    cause.self = cause;
    throw new Error("in circles", { cause });
  }
  crash() {
    throw new Error("the password is hunter2");
  }
  async *count(to: number) {
    for (let n = 1; n <= to; n++) yield n;
  }
  *syncCount(to: number) {
    for (let n = 1; n <= to; n++) yield Promise.resolve(n);
  }
  async *breaks() {
    yield 1;
    throw new StatusError("DATA_LOSS", "the rest is gone");
  }
  list() {
    return [1, 2];
  }
  set() {
    return new Set([1, 2]);
  }
  get getter() {
    return () => "a getter is no method";
  }
  _private() {
    return "hidden";
  }
  checkHealth() {}
}

const definition = deployment(Program);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("Invoke", () => {
  test("passes any JSON value to the program and back", async () => {
    const { invoke } = await serve(definition);
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (json) => {
        expect(JSON.stringify(await invoke("echo", json))).toBe(JSON.stringify(json));
      }),
    );
  });

  test("passes bytes unchanged", async () => {
    const { invoke } = await serve(definition);
    const bytes = new Uint8Array([0, 255, 128]);
    expect(new Uint8Array((await invoke("echo", bytes)) as Uint8Array)).toEqual(bytes);
  });

  test("calls own, inherited and instance methods, with init_args in the constructor", async () => {
    const { invoke } = await serve(definition, { initArgs: { model: "large" } });
    expect(await invoke("args")).toEqual({ model: "large" });
    expect(await invoke("inherited")).toBe("from the base");
    expect(await invoke("own")).toBe("own");
    expect(await invoke("nothing")).toBe(null);
    expect(await invoke("day")).toBe("1970-01-01T00:00:00.000Z");
    expect(await invoke("list")).toEqual([1, 2]);
  });

  test("a field that holds a handle is no method, and nothing is called by it", async () => {
    class Front {
      readonly back = handle("back");
      call() {
        return 1;
      }
    }
    const { invoke } = await serve(deployment(Front));
    expect((await failure(invoke("back"))).message).toMatch(/there are: call$/);
  });

  test("without an argument calls with null", async () => {
    const { invokeService } = await serve(definition);
    expect((await invokeService.invoke({ method: "echo" })).output.value).toMatchObject({ kind: { case: "nullValue" } });
  });

  test("uses a static create in place of the constructor", async () => {
    class Slow {
      readonly name: string;
      constructor(name: string) {
        this.name = name;
      }
      static async create({ name }: { name: string }) {
        return new Slow(name.toUpperCase());
      }
      call() {
        return this.name;
      }
    }
    const { invoke } = await serve(deployment(Slow as never), { initArgs: { name: "x" } });
    expect(await invoke("")).toBe("X");
  });

  test("passes the caller's context and the replica's identity to the program", async () => {
    const { invoke } = await serve(definition);
    expect(await invoke("context", null, { deadlineMs: 60_000, metadata: { "x-caller": "me" } })).toEqual({
      deadline: "number",
      caller: "me",
      replicaId: "echo-1",
      deployment: "echo",
      revision: 7,
      aborted: false,
    });
  });

  test("passes the caller's metadata: text, bytes, and what came several times", async () => {
    const { invoke } = await serve(definition);
    const metadata = {
      "x-tag": ["a", "b, c"],
      "x-one": "1",
      "x-bin": Uint8Array.of(0, 255, 254, 1),
      "y-bin": [Uint8Array.of(), Uint8Array.of(2)],
    };
    const bytes = (...values: number[]) => ({ bytes: values, plain: true });
    expect(await invoke("metadata", ["x-tag", "X-One", "x-bin", "y-bin", "none", "constructor"], { metadata })).toEqual([
      ["a, b, c", ["a", "b, c"]],
      ["1", ["1"]],
      [bytes(0, 255, 254, 1), [bytes(0, 255, 254, 1)]],
      [bytes(), [bytes(), bytes(2)]],
      [null, []],
      [null, []],
    ]);
    const odd = { constructor: "x", from: ["a", "b"], tostring: "y" };
    const odds = ["x", "a, b", "y"].map((value) => [value, [value]]);
    expect(await invoke("metadata", ["constructor", "from", "tostring"], { metadata: odd })).toEqual(odds);
  });

  test("calls a function as call, and by its name", async () => {
    const { invoke } = await serve(
      deployment(function double(n: number) {
        return 2 * n;
      }),
    );
    expect([await invoke("", 2), await invoke("call", 3), await invoke("double", 4)]).toEqual([4, 6, 8]);
    expect((await failure(invoke("bind"))).message).toBe('no method "bind"; there are: call, double');
  });

  test.each(["constructor", "_private", "checkHealth", "notCallable", "getter", "toString", "__proto__"])(
    "never calls %s",
    async (name) => {
      const { invoke } = await serve(definition);
      const error = await failure(invoke(name));
      expect(error).toMatchObject({ code: "NOT_FOUND", reason: "METHOD_NOT_FOUND" });
      expect(error.message).toContain("there are: args, bad, breaks, context, count, crash, crashInCircles, day, echo, inherited");
    },
  );

  test("of another deployment's request is refused", async () => {
    const { invokeService } = await serve(definition);
    await invokeService.invoke({ deployment: "echo", method: "list" });
    expect(await failure(invokeService.invoke({ deployment: "other", method: "list" }))).toMatchObject({ reason: "WRONG_REPLICA" });
  });

  test("passes on a status the program throws, also one of another copy of this package", async () => {
    const { invoke, logged } = await serve(definition);
    const error = await failure(invoke("refuse"));
    expect(error).toMatchObject({ code: "OUT_OF_RANGE", message: "not that far", facts: { retryAfterMs: 2000 } });
    expect(await failure(invoke("refuseByAnotherCopy"))).toMatchObject({ code: "ABORTED", message: "theirs" });
    expect(logged).toEqual([]);
  });

  test("keeps any other error to itself, and logs it under the request's id", async () => {
    const { invoke, logged } = await serve(definition);
    const error = await failure(invoke("crash", null, { metadata: { "x-request-id": "r-1" } }));
    expect(error).toMatchObject({ code: "INTERNAL", reason: "PROGRAM_ERROR", facts: { metadata: { request_id: "r-1" } } });
    expect(error.message).not.toContain("hunter2");
    expect(logged).toMatchObject([
      { requestId: "r-1", err: { message: "the password is hunter2", stack: expect.stringContaining("crash") } },
    ]);
  });

  test.each([
    { code: "NO_SUCH_CODE" },
    { metadata: { user: 7 } },
    { details: [{ typeName: "a.B", value: "text" }] },
    { violations: [{ field: "a" }] },
    { retryAfterMs: "soon" },
  ])("answers INTERNAL for a status that has no form on the wire: %j", async (facts) => {
    const { invoke, logged } = await serve(definition);
    const wrong = await failure(invoke("refuseWrongly", facts, { deadlineMs: 60_000 }));
    expect(wrong).toMatchObject({ code: "INTERNAL", reason: "PROGRAM_ERROR" });
    expect(logged).toHaveLength(1);
    expect(await invoke("echo", 1)).toBe(1);
  });

  test("an error that has no JSON is the program's, and is logged as far as it can be", async () => {
    const { invoke, logged } = await serve(definition);
    expect(await failure(invoke("crashInCircles"))).toMatchObject({ reason: "PROGRAM_ERROR" });
    expect(logged).toHaveLength(1);
  });

  test("says where a result is not JSON", async () => {
    const { invoke } = await serve(definition);
    expect(await failure(invoke("bad"))).toMatchObject({
      reason: "PROGRAM_ERROR",
      message: 'the result of "bad" is not JSON: result.scores[1] is NaN',
    });
    expect((await failure(invoke("partial"))).message).toContain("result.text is text with half a character");
    expect((await failure(invoke("partialName"))).message).toContain("result[0] is text with half a character");
  });

  test("of a method that streams says to use the other call", async () => {
    const { invoke } = await serve(definition);
    for (const name of ["count", "syncCount", "set"]) {
      const error = await failure(invoke(name, name === "set" ? null : 3));
      expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toContain("call it with InvokeServerStream");
    }
  });
});

describe("InvokeServerStream", () => {
  test("streams the items of generators and iterables, and any other result as a single item", async () => {
    const { stream } = await serve(definition);
    expect(await collect(stream("count", 3))).toEqual([1, 2, 3]);
    expect(await collect(stream("count", 0))).toEqual([]);
    expect(await collect(stream("syncCount", 3))).toEqual([1, 2, 3]);
    expect(await collect(stream("set"))).toEqual([1, 2]);
    expect(await collect(stream("list"))).toEqual([[1, 2]]);
    expect(await collect(stream("echo", "abc"))).toEqual(["abc"]);
  });

  test("streams the items before a failure, then the failure", async () => {
    const { stream } = await serve(definition);
    const got: unknown[] = [];
    const error = await failure(
      (async () => {
        for await (const item of stream("breaks")) got.push(item);
      })(),
    );
    expect(got).toEqual([1]);
    expect(error).toMatchObject({ code: "DATA_LOSS", message: "the rest is gone" });
  });

  test("runs a generator's finally when the caller leaves", async () => {
    const ended = gate();
    const program = async function* (_input: unknown, context: RequestContext) {
      const { signal } = context;
      try {
        for (let n = 0; ; n++) {
          yield n;
          if (n === 1) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        }
      } finally {
        ended.resolve();
      }
    };
    const { stream } = await serve(deployment(program, { name: "endless" }));
    for await (const item of stream("call")) if (item === 1) break;
    await ended.promise;
  });

  test("ends an iterator at once when the caller leaves, also if it checks no signal", async () => {
    const left = gate();
    const never = {
      [Symbol.asyncIterator]: () => ({
        first: true,
        next() {
          if (!this.first) return new Promise<never>(() => {});
          this.first = false;
          return Promise.resolve({ done: false, value: 1 });
        },
        async return() {
          left.resolve();
          return { done: true, value: undefined };
        },
      }),
    };
    const { stream, replica, server } = await serve(deployment(() => never, { name: "silent" }));
    for await (const _item of stream("call")) break;
    await left.promise;
    expect(await replica.drain({ gracePeriod: { seconds: 600n } })).toMatchObject({ ongoingRequests: 0n });
    await server.close(0);
  });
});
