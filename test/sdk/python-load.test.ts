// Counting, refusing, draining and leaving (test/replica/load.test.ts), for programs in Python:
// async methods, methods in threads, and the program's own services of both kinds.
import type { Metadata } from "@grpc/grpc-js";
import { describe, expect } from "vitest";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { StatusError } from "../../src/core/errors.ts";
import { readDescriptors } from "../../src/rpc/reflection.ts";
import { failure } from "../replica/harness.ts";
import { greeterFiles, type Served, serve, pythonTest as test } from "./python-harness.ts";

/** A program whose methods say that they have begun, and wait to be let go. */
const program = `
  import asyncio, threading
  from greeter.v1 import greeter_pb2 as pb, greeter_pb2_grpc as pb_grpc

  go, go_thread = asyncio.Event(), threading.Event()

  class Own(pb_grpc.GreeterServiceServicer):
      async def Greet(self, request, context):
          if request.name == "fail": raise drover.StatusError("NOT_FOUND", "no such thing")
          if request.name == "crash": raise RuntimeError("secret")
          if request.name == "abort": await context.abort(grpc.StatusCode.ABORTED, "by gRPC's own way")
          if request.name == "code": context.set_code(grpc.StatusCode.OUT_OF_RANGE); context.set_details("set"); return pb.GreetResponse()
          print("begun")
          await go.wait()
          return pb.GreetResponse(greeting="own")
      async def GreetRepeatedly(self, request, context):
          yield pb.GreetRepeatedlyResponse(greeting="first")
          while request.name == "endless": await asyncio.sleep(0); yield pb.GreetRepeatedlyResponse(greeting="next")
          print("begun")
          await go.wait()

  class OwnInThreads(pb_grpc.GreeterServiceServicer):
      def Greet(self, request, context):
          if request.name == "fail": raise drover.StatusError("NOT_FOUND", "no such thing")
          if request.name == "crash": raise RuntimeError("secret")
          if request.name == "abort": context.abort(grpc.StatusCode.ABORTED, "by gRPC's own way")
          if request.name == "code": context.set_code(grpc.StatusCode.OUT_OF_RANGE); context.set_details("set"); return pb.GreetResponse()
          print("begun")
          go_thread.wait()
          return pb.GreetResponse(greeting="own")
      def GreetRepeatedly(self, request, context):
          yield pb.GreetRepeatedlyResponse(greeting="first")
          while request.name == "endless": yield pb.GreetRepeatedlyResponse(greeting="next")
          print("begun")
          go_thread.wait()

  class Program:
      async def hold(self):
          print("begun")
          await go.wait()
          return "done"
      def hold_thread(self):
          print("begun")
          go_thread.wait()
          return "done"
      async def stream(self):
          yield 1
          await self.hold()
      def stream_thread(self):
          yield 1
          self.hold_thread()
      async def go(self): go.set(); go_thread.set()
      async def fail(self): raise drover.StatusError("ABORTED", "no")
      async def until_left(self):
          try:
              print("begun")
              await asyncio.Event().wait()
          except asyncio.CancelledError: print("left"); 1 / 0
      def until_left_thread(self, input, context):
          print("begun")
          context.cancelled.wait()
          print("left"); 1 / 0
      async def endless(self):
          try:
              yield 1
              await asyncio.Event().wait()
          finally: print("left")
      def endless_thread(self, input, context):
          try:
              while True: yield 1
          finally: print("left", context.is_cancelled())

  own = lambda servicer: lambda instance: [lambda server: pb_grpc.add_GreeterServiceServicer_to_server(servicer(), server)]
  Async = drover.deployment(Program, services=own(Own))
  Threads = drover.deployment(Program, services=own(OwnInThreads))
  import grpc
`;

let greeter: ReturnType<typeof greeterFiles> | undefined;

async function served(name: "Async" | "Threads", max = 100): Promise<Served> {
  greeter ??= greeterFiles();
  return serve(program, { args: ["program.py", name], env: { DROVER_MAX_ONGOING_REQUESTS: String(max) }, files: await greeter });
}

/** The first report: what is so now. */
async function report({ replica }: Served) {
  for await (const { ongoingRequests, completedTotal, failedTotal } of replica.watchLoad({})) {
    return { ongoing: Number(ongoingRequests), completed: Number(completedTotal), failed: Number(failedTotal) };
  }
  throw new Error("no report");
}

/** Reads reports, as often as there may be any, until one is as wanted. */
async function until({ replica }: Served, wanted: { ongoing: number; completed: number; failed: number }): Promise<void> {
  for await (const { ongoingRequests, completedTotal, failedTotal } of replica.watchLoad({ interval: { nanos: 1 } })) {
    const given = { ongoing: Number(ongoingRequests), completed: Number(completedTotal), failed: Number(failedTotal) };
    if (JSON.stringify(given) === JSON.stringify(wanted)) return;
  }
}

const kinds = [
  ["Async", ""],
  ["Threads", "_thread"],
] as const;

describe.each(kinds)("a replica's load, of %s methods,", (name, suffix) => {
  test("counts unary calls and streams, of Invoke and of the program's own services, from acceptance to end", async () => {
    const it = await served(name);
    const own = it.channel.client(GreeterService);
    const streams = [it.stream(`stream${suffix}`), own.greetRepeatedly({})].map((stream) => stream[Symbol.asyncIterator]());
    for (const stream of streams) await stream.next();
    const calls = [it.invoke(`hold${suffix}`), own.greet({})];
    const rests = streams.map((stream) => stream.next());
    await it.printed("begun\nbegun\nbegun\nbegun\n");
    expect(await report(it)).toEqual({ ongoing: 4, completed: 0, failed: 0 });
    await it.invoke("go");
    expect((await Promise.all(calls))[0]).toBe("done");
    await Promise.all(rests);
    await until(it, { ongoing: 0, completed: 5, failed: 0 });
  });

  test("counts what ended with another status as failed, and nothing of Drover's own calls", async () => {
    const it = await served(name);
    const own = it.channel.client(GreeterService);
    await failure(it.invoke("fail"));
    await failure(it.invoke("no-such-method"));
    expect(await failure(own.greet({ name: "fail" }))).toMatchObject({ code: "NOT_FOUND", message: "no such thing" });
    const crashed = await failure(own.greet({ name: "crash" }));
    expect(crashed).toMatchObject({ code: "INTERNAL", reason: "PROGRAM_ERROR" });
    expect(crashed.message).not.toContain("secret");
    expect(await failure(own.greet({ name: "abort" }))).toMatchObject({ code: "ABORTED", message: "by gRPC's own way" });
    expect(await failure(own.greet({ name: "code" }))).toMatchObject({ code: "OUT_OF_RANGE", message: "set" });
    await it.replica.getInfo({});
    await it.channel.client(Health).check({});
    await until(it, { ongoing: 0, completed: 0, failed: 6 });
  });

  test("is freed by a caller that leaves, and the call counts as failed", async () => {
    const it = await served(name);
    const leave = new AbortController();
    const call = failure(it.invoke(`until_left${suffix}`, null, { signal: leave.signal }));
    await it.printed("begun");
    leave.abort();
    expect((await call).code).toBe("CANCELLED");
    await it.printed("left");
    await until(it, { ongoing: 0, completed: 0, failed: 1 });
    it.kill("SIGTERM");
    expect((await it.ended).stderr).toBe(""); // an exception without a caller is no failure of the program
  });

  test("is freed when a deadline passes", async () => {
    const it = await served(name);
    expect((await failure(it.invoke(`until_left${suffix}`, null, { deadlineMs: 200 }))).code).toBe("DEADLINE_EXCEEDED");
    await it.printed("left");
    await until(it, { ongoing: 0, completed: 0, failed: 1 });
  });

  test("is freed by a caller that leaves a stream: the generator's finally runs", async () => {
    const it = await served(name);
    for await (const item of it.stream(`endless${suffix}`)) if (item === 1) break;
    await it.printed("left");
    await until(it, { ongoing: 0, completed: 0, failed: 1 });
    for await (const _ of it.channel.client(GreeterService).greetRepeatedly({ name: "endless" })) break;
    await until(it, { ongoing: 0, completed: 0, failed: 2 });
  });
});

describe.each(kinds)("a request above max_ongoing_requests, of %s methods,", (name, suffix) => {
  test("is refused before it begins, with a trailer that says so", async () => {
    const it = await served(name, 1);
    const first = it.invoke(`hold${suffix}`);
    await it.printed("begun");
    let trailers: Metadata | undefined;
    const options = { onTrailers: (given: Metadata) => (trailers = given) };
    const own = it.channel.client(GreeterService);
    const calls = [
      () => it.invoke("hold", null, options),
      () => it.stream("stream", null, options).next(),
      () => own.greet({}, options),
      () => own.greetRepeatedly({}, options)[Symbol.asyncIterator]().next(),
    ];
    for (const call of calls) {
      trailers = undefined;
      const error = await failure(call());
      expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "REPLICA_BUSY", facts: { retryAfterMs: 100 } });
      expect((trailers as Metadata | undefined)?.get("drover-refused")).toEqual(["busy"]);
    }
    expect(await report(it)).toEqual({ ongoing: 1, completed: 0, failed: 0 });
    await it.replica.drain({}); // a way out that needs no place
    it.kill("SIGTERM");
    expect((await failure(first)).code).toBe("UNAVAILABLE");
    expect((await it.ended).exit).toBe(0);
  });
});

describe("a draining replica", () => {
  test("gets no new request, finishes those it has, and answers when nothing is ongoing", async () => {
    const it = await served("Async");
    const first = it.invoke("until_left", null, { deadlineMs: 1_500 });
    await it.printed("begun");
    expect(await it.replica.drain({})).toMatchObject({ ongoingRequests: 1n });
    let trailers: Metadata | undefined;
    const error = await failure(it.invoke("hold", null, { onTrailers: (given) => (trailers = given) }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "REPLICA_DRAINING", facts: { retryAfterMs: 1_000 } });
    expect(trailers?.get("drover-refused")).toEqual(["draining"]);
    expect(await it.replica.drain({ gracePeriod: { nanos: 1_000_000 } })).toMatchObject({ ongoingRequests: 1n });
    const drained = it.replica.drain({ gracePeriod: { seconds: 3000n } });
    await failure(first);
    expect(await drained).toMatchObject({ ongoingRequests: 0n });
  });
});

describe("a program's own services", () => {
  test("are listed by GetInfo, by health and by reflection, with their files", async () => {
    const it = await served("Async");
    expect(await it.replica.getInfo({})).toMatchObject({
      ...{ replicaId: "echo-1", deployment: "echo", revision: 7n, configGeneration: 0n },
      services: ["drover.v1.InvokeService", "greeter.v1.GreeterService"],
    });
    const health = it.channel.client(Health);
    for (const service of ["drover.v1.InvokeService", "greeter.v1.GreeterService"])
      expect((await health.check({ service })).status).toBe(1);
    const source = await readDescriptors(it.channel, AbortSignal.timeout(30_000));
    const names = ["drover.replica.v1.ReplicaService", "drover.v1.InvokeService", "greeter.v1.GreeterService", "grpc.health.v1.Health"];
    expect(await source.services()).toEqual(expect.arrayContaining([...names, "grpc.reflection.v1.ServerReflection"]));
    for (const name of names) expect(await source.fileBySymbol(name)).toBeInstanceOf(Uint8Array);
    expect(await failure(health.check({ service: "no.such.Service" }))).toBeInstanceOf(StatusError);
  });
});
