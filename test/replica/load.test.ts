import type { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import type { RequestContext } from "../../src/replica/index.ts";
import { type CallContext, deployment, implement, StatusError } from "../../src/replica/index.ts";
import { failure, gate, serve } from "./harness.ts";

type Served = Awaited<ReturnType<typeof serve>>;

/** A program whose methods wait to be let go. */
function waiting() {
  const begun: (() => void)[] = [];
  const go = gate();
  const ended = gate();
  const hold = async () => {
    begun.shift()?.();
    await go.promise;
    return "done";
  };
  const own = implement(GreeterService, {
    greet: async ({ name }) => {
      if (name === "fail") throw new StatusError("NOT_FOUND", "no such thing");
      if (name === "crash") throw new Error("secret");
      await hold();
      return {};
    },
    greetRepeatedly: async function* () {
      yield {};
      await hold();
    },
  });
  class Program {
    hold = hold;
    async *stream() {
      yield 1;
      await hold();
    }
    fail() {
      throw new StatusError("ABORTED", "no");
    }
    async untilLeft(_input: unknown, context: RequestContext) {
      const { signal } = context;
      begun.shift()?.();
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ended.resolve();
    }
  }
  const next = () => new Promise<void>((resolve) => begun.push(resolve));
  return { definition: deployment(Program, { services: () => [own] }), next, go: go.resolve, ended: ended.promise };
}

/** The first report: what is so now. */
async function report({ replica }: Served) {
  for await (const { ongoingRequests, completedTotal, failedTotal } of replica.watchLoad({})) {
    return { ongoing: Number(ongoingRequests), completed: Number(completedTotal), failed: Number(failedTotal) };
  }
  throw new Error("no report");
}

/** Reads reports, as often as there may be any, until one is as wanted. */
async function until({ replica }: Served, wanted: Record<string, bigint>): Promise<void> {
  for await (const given of replica.watchLoad({ interval: { nanos: 1 } })) {
    if (Object.entries(wanted).every(([name, value]) => given[name as "ongoingRequests"] === value)) return;
  }
}

describe("a replica's load", () => {
  test("counts unary calls and streams, of Invoke and of the program's own services, from acceptance to end", async () => {
    const { definition, next, go } = waiting();
    const served = await serve(definition);
    const own = served.channel.client(GreeterService);
    const began = [next(), next(), next(), next()];
    const streams = [served.stream("stream"), own.greetRepeatedly({})];
    for (const stream of streams) await stream[Symbol.asyncIterator]().next();
    const calls = [served.invoke("hold"), own.greet({})];
    const rests = streams.map((stream) => stream[Symbol.asyncIterator]().next());
    await Promise.all(began);
    expect(await report(served)).toEqual({ ongoing: 4, completed: 0, failed: 0 });
    go();
    await Promise.all([...calls, ...rests]);
    await until(served, { ongoingRequests: 0n, completedTotal: 4n, failedTotal: 0n });
  });

  test("counts what ended with another status as failed, and nothing of Drover's own calls", async () => {
    const served = await serve(waiting().definition);
    const own = served.channel.client(GreeterService);
    await failure(served.invoke("fail"));
    await failure(served.invoke("no-such-method"));
    expect(await failure(own.greet({ name: "fail" }))).toMatchObject({ code: "NOT_FOUND", message: "no such thing" });
    expect(await failure(own.greet({ name: "crash" }))).toMatchObject({ code: "INTERNAL", reason: "PROGRAM_ERROR" });
    await served.replica.getInfo({});
    await served.channel.client(Health).check({});
    expect(await report(served)).toEqual({ ongoing: 0, completed: 0, failed: 4 });
  });

  test.each(["responseHeaders", "responseTrailers"] as const)("is freed by a call whose %s cannot be sent", async (place) => {
    const put = (context: CallContext) => {
      context[place].add("http2-settings", "a");
    };
    const own = implement(GreeterService, {
      greet: (_, context) => {
        put(context);
        return {};
      },
      greetRepeatedly: async function* (_, context) {
        put(context);
        yield {};
      },
    });
    const served = await serve(deployment(class {}, { services: () => [own] }), { maxOngoingRequests: 1 });
    const greeter = served.channel.client(GreeterService);
    const stream = () => greeter.greetRepeatedly({})[Symbol.asyncIterator]();
    for (let calls = 0; calls < 3; calls++) {
      expect(await failure(greeter.greet({}))).toMatchObject({ code: "INTERNAL" });
      const answers = stream();
      expect(await failure(answers.next().then(() => answers.next()))).toMatchObject({ code: "INTERNAL" });
    }
    expect(served.logged).toHaveLength(6);
    for (const { err } of served.logged) expect(err?.message).toContain("http2-settings");
    await until(served, { ongoingRequests: 0n });
  });

  test("is freed by a caller that leaves, and the call counts as failed", async () => {
    const { definition, next, ended } = waiting();
    const served = await serve(definition);
    const began = next();
    const leave = new AbortController();
    const call = failure(served.invoke("untilLeft", null, { signal: leave.signal }));
    await began;
    leave.abort();
    expect((await call).code).toBe("CANCELLED");
    await ended;
    await until(served, { ongoingRequests: 0n, completedTotal: 0n, failedTotal: 1n });
  });

  test("is reported at once, then again each interval", async () => {
    const served = await serve(waiting().definition);
    let reports = 0;
    for await (const { ongoingRequests } of served.replica.watchLoad({ interval: { nanos: 1 } })) {
      expect(ongoingRequests).toBe(0n);
      if (++reports === 3) break;
    }
    expect(reports).toBe(3);
  });
});

describe("a request above max_ongoing_requests", () => {
  test.each(["unary", "stream", "own service"])("is refused before it begins, with a trailer that says so (%s)", async (kind) => {
    const { definition, next, go } = waiting();
    const served = await serve(definition, { maxOngoingRequests: 1 });
    const began = next();
    const first = served.invoke("hold");
    await began;
    let trailers: Metadata | undefined;
    let headers = false;
    const options = { onTrailers: (given: Metadata) => (trailers = given), onHeaders: () => (headers = true) };
    const calls = {
      unary: () => served.invoke("hold", null, options),
      stream: () => served.stream("stream", null, options).next(),
      "own service": () => served.channel.client(GreeterService).greet({}, options),
    };
    const error = await failure(calls[kind as keyof typeof calls]());
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "REPLICA_BUSY", facts: { retryAfterMs: 100 } });
    expect(trailers?.get("drover-refused")).toEqual(["busy"]);
    expect(headers).toBe(false);
    go();
    expect(await first).toBe("done");
    expect(await served.invoke("hold")).toBe("done");
    await until(served, { ongoingRequests: 0n, completedTotal: 2n, failedTotal: 0n });
  });
});

describe("a draining replica", () => {
  test("gets no new request, and finishes those it has", async () => {
    const { definition, next, go } = waiting();
    const served = await serve(definition);
    const began = next();
    const first = served.invoke("hold");
    await began;
    expect(await served.replica.drain({})).toMatchObject({ ongoingRequests: 1n });
    let trailers: Metadata | undefined;
    const error = await failure(served.invoke("hold", null, { onTrailers: (given) => (trailers = given) }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "REPLICA_DRAINING", facts: { retryAfterMs: 1_000 } });
    expect(trailers?.get("drover-refused")).toEqual(["draining"]);
    go();
    expect(await first).toBe("done");
    expect((await failure(served.invoke("hold"))).reason).toBe("REPLICA_DRAINING");
  });

  test("answers when nothing is ongoing, long before its grace period ends", async () => {
    const { definition, next, go } = waiting();
    const served = await serve(definition);
    const began = next();
    const first = served.invoke("hold");
    await began;
    const drained = served.replica.drain({ gracePeriod: { seconds: 3000n } });
    // The drain is in force once a request is refused.
    while ((await served.invoke("no-such-method").catch((error: StatusError) => error.reason)) !== "REPLICA_DRAINING");
    go();
    expect(await drained).toMatchObject({ ongoingRequests: 0n });
    await first;
  });

  test("answers at the end of its grace period with what is left", async () => {
    const { definition, next, go } = waiting();
    const served = await serve(definition);
    const began = next();
    const first = served.invoke("hold");
    await began;
    expect(await served.replica.drain({ gracePeriod: { nanos: 1_000_000 } })).toMatchObject({ ongoingRequests: 1n });
    go();
    await first;
    expect(await served.replica.drain({ gracePeriod: { seconds: 3000n } })).toMatchObject({ ongoingRequests: 0n });
  });
});
