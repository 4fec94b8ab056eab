import { setTimeout as later } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { context, deployment, StatusError } from "../../src/replica/index.ts";
import { openCluster } from "../client/cluster.ts";
import { until } from "../kit/until.ts";
import { failure, gate, invoker, serve } from "./harness.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** What the request in work has: what calls take along of it. */
const facts = () => ({
  id: context()?.requestId ?? null,
  trace: context()?.metadata.get("traceparent") ?? null,
  tenant: context()?.metadata.get("tenant") ?? null,
  secret: context()?.metadata.get("secret") ?? null,
  hasDeadline: context()?.deadlineMs !== undefined,
});

/**
 * A chain a → b → c of replicas; `left` has the names of those whose request has ended early: by its
 * signal, or because its own call ended first.
 */
async function chain() {
  const cluster = await openCluster();
  const left: string[] = [];
  const begun: string[] = [];
  const after = gate();
  const behind: unknown[] = [];
  const handleOf = (name: string) => cluster.connection.handle(name);

  class Link {
    readonly #name: string;
    readonly #next: string | undefined;
    constructor({ name, next }: { name: string; next?: string }) {
      this.#name = name;
      this.#next = next;
    }
    async facts(): Promise<unknown[]> {
      await later(0);
      return [facts(), ...(this.#next === undefined ? [] : await handleOf(this.#next).facts())];
    }
    async waits(): Promise<void> {
      begun.push(this.#name);
      const end = () => void (left.includes(this.#name) || left.push(this.#name));
      context()?.signal.addEventListener("abort", end);
      await (this.#next === undefined ? gate().promise : handleOf(this.#next).waits()).finally(end);
    }
    async *streams(): AsyncGenerator<unknown> {
      context()?.signal.addEventListener("abort", () => left.push(this.#name));
      if (this.#next !== undefined) yield* handleOf(this.#next).streams.stream();
      for (let n = 0; ; n++) yield `${n} of ${context()?.requestId}`;
    }
    async fails(how: string): Promise<unknown> {
      if (this.#next !== undefined) return handleOf(this.#next).fails(how);
      if (how === "status") throw new StatusError("RESOURCE_EXHAUSTED", "too much", { retryAfterMs: 1_500, metadata: { limit: "3" } });
      throw new Error("secret");
    }
    async catches(): Promise<unknown> {
      return handleOf(this.#next ?? "")
        .fails("status")
        .catch((error: StatusError) => error.callee);
    }
    leavesBehind(): void {
      void after.promise.then(() => behind.push(context() ?? "none"));
    }
  }

  for (const [name, next] of [["a", "b"], ["b", "c"], ["c"]] as const) {
    const definition = deployment(Link, { forwardMetadata: ["tenant"] });
    const served = await serve(definition, { deployment: name, initArgs: next === undefined ? { name } : { name, next } });
    cluster.route(name, [served.address]);
    if (name === "a") Object.assign(cluster, { served });
  }
  const { served } = cluster as typeof cluster & { served: Awaited<ReturnType<typeof serve>> };
  return { ...cluster, ...invoker(served.channel), left, begun, behind, after };
}

describe("a call that is made for a request takes along", () => {
  test("its id, its trace and what the deployment forwards, and nothing else", async () => {
    const { invoke } = await chain();
    const metadata = { "x-request-id": "r-1", traceparent, tenant: ["x", "y"], secret: "s" };
    const [a, ...others] = (await invoke("facts", null, { metadata })) as ReturnType<typeof facts>[];
    expect(a).toMatchObject({ secret: "s" });
    expect(others).toHaveLength(2);
    for (const one of others) expect(one).toEqual({ id: "r-1", trace: traceparent, tenant: "x, y", secret: null, hasDeadline: false });
  });

  test("an id that is made where there is none, and the deadline", async () => {
    const { invoke } = await chain();
    const all = (await invoke("facts", null, { deadlineMs: 60_000 })) as ReturnType<typeof facts>[];
    expect(all.map(({ hasDeadline }) => hasDeadline)).toEqual([true, true, true]);
    expect(all[0]?.id).toMatch(/^[a-z0-9]{12}$/);
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
  });

  test("its end: when the first caller leaves, every hop ends", async () => {
    const { invoke, left, begun } = await chain();
    const leave = new AbortController();
    const call = failure(invoke("waits", null, { signal: leave.signal }));
    await until(() => begun.includes("c"));
    leave.abort();
    expect(await call).toMatchObject({ code: "CANCELLED" });
    await until(() => left.length === 3);
    expect(new Set(left)).toEqual(new Set(["a", "b", "c"]));
  });

  test("its deadline, at which every hop ends", async () => {
    const { invoke, left } = await chain();
    expect(await failure(invoke("waits", null, { deadlineMs: 1_000 }))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await until(() => left.length === 3);
  });

  test("its context into streams, which end when the first caller leaves", async () => {
    const { stream, left } = await chain();
    for await (const item of stream("streams", null, { metadata: { "x-request-id": "r-2" } })) {
      expect(item).toBe("0 of r-2");
      break;
    }
    await until(() => left.length === 3);
  });
});

describe("an error of a callee", () => {
  test("names it to the program that called it", async () => {
    const { invoke } = await chain();
    expect(await invoke("catches")).toEqual({ deployment: "b", method: "fails", replica: expect.stringMatching(/^b-/) });
  });

  test("passes through the program with the callee's name, its code and its details", async () => {
    const { invoke } = await chain();
    const error = await failure(invoke("fails", "status"));
    expect(error).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "CALLEE_FAILED",
      message: '"b" (fails): "c" (fails): too much',
      facts: { retryAfterMs: 1_500, metadata: { callee: "b", callee_method: "fails", callee_reason: "CALLEE_FAILED", limit: "3" } },
    });
  });

  test("that is no status names replica, request and method, and never its cause", async () => {
    const { invoke } = await chain();
    const error = await failure(invoke("fails", "bug", { metadata: { "x-request-id": "r-3" } }));
    expect(error).toMatchObject({ code: "INTERNAL", reason: "CALLEE_FAILED" });
    for (const part of ["c-1", "r-3", "fails", "drover logs c --replica c-1"]) expect(error.message).toContain(part);
    expect(error.message).not.toContain("secret");
    expect(error.facts.metadata).toMatchObject({ callee: "b", request_id: "r-3", replica_id: "c-1", method: "fails" });
  });
});

test("what a request leaves behind belongs to no request", async () => {
  const { invoke, behind, after } = await chain();
  await invoke("leavesBehind");
  after.resolve();
  await until(() => behind.length === 1);
  expect(behind).toEqual(["none"]);
  expect(context()).toBeUndefined();
});

test("forwardMetadata names metadata in lower case", () => {
  expect(() => deployment(class {}, { forwardMetadata: ["Tenant"] })).toThrow("forwardMetadata");
  expect(() => deployment(class {}, { forwardMetadata: "tenant" as never })).toThrow("forwardMetadata");
});
