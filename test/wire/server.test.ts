import { once } from "node:events";
import { stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { credentials, Client as RawClient } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import { refusal, StatusError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log/log.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { type Interceptor, RpcServer } from "../../src/rpc/server.ts";
import { implement, type ServiceHandlers } from "../../src/rpc/service.ts";
import { decodeStatus } from "../../src/rpc/status.ts";
import { WireRequestSchema, WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, each, rejection, serve, temporaryFolder } from "./harness.ts";
import { kinds, wireService } from "./wire-service.ts";

function newServer(): RpcServer {
  return new RpcServer({ implementations: [wireService().implementation], log: silentLog, clock: realClock });
}

function handlers(): ServiceHandlers<typeof WireService> {
  return wireService().implementation.handlers as unknown as ServiceHandlers<typeof WireService>;
}

describe("bad input", () => {
  test.each(Object.entries(kinds))("%s: a request above the limit is MESSAGE_TOO_LARGE, and the server goes on", async (_, call) => {
    const wire = await serve([wireService().implementation], { messageBytesMax: 10_000 });
    await using __ = wire;
    const client = wire.channel.client(WireService);
    expect(await collect(call(client, "x".repeat(9_000)))).toEqual(["x".repeat(9_000)]);
    const refused = await rejection(collect(call(client, "x".repeat(1_000_000))));
    expect(refused).toMatchObject({ code: "INVALID_ARGUMENT", reason: "MESSAGE_TOO_LARGE" });
    expect((refused as StatusError).message).toMatch(/ 10000\d\d bytes.* 10000 /);
    expect(await collect(call(client, "hello"))).toEqual(["hello"]);
    expect(wire.logged).toEqual([]);
  });

  test("a request at the limit is served, one byte more is not", async () => {
    const atLimit = "x".repeat(1_000);
    const bytes = toBinary(WireRequestSchema, create(WireRequestSchema, { text: atLimit })).length;
    const wire = await serve([wireService().implementation], { messageBytesMax: bytes });
    await using _ = wire;
    const client = wire.channel.client(WireService);
    expect((await client.unary({ text: atLimit })).text).toBe(atLimit);
    expect(await rejection(client.unary({ text: `${atLimit}x` }))).toMatchObject({ reason: "MESSAGE_TOO_LARGE" });
  });

  test("a request far above the limit is not even read", async () => {
    const wire = await serve([wireService().implementation], { messageBytesMax: 10_000 });
    await using _ = wire;
    const client = wire.channel.client(WireService);
    const far = rejection(client.unary({ text: "x".repeat(10_000 + 4 * 1024 * 1024) }));
    expect(await far).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: undefined });
    expect((await client.unary({ text: "hello" })).text).toBe("hello");
  });

  test.each(["Unary", "ServerStream"])("bytes that are no message are INVALID_ARGUMENT: %s", async (method) => {
    const wire = await serve([wireService().implementation]);
    await using _ = wire;
    const raw = new RawClient(wire.address, credentials.createInsecure());
    const bytes = (buffer: Buffer) => buffer;
    const error = await new Promise<StatusError>((resolve) => {
      raw.makeUnaryRequest(`/test.v1.WireService/${method}`, bytes, bytes, Buffer.from([0xff, 0xff, 0xff]), (failure) =>
        resolve(decodeStatus(failure as NonNullable<typeof failure>)),
      );
    });
    raw.close();
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
    expect(error.message).toContain("test.v1.WireRequest");
    expect(wire.logged).toEqual([]);
  });

  test("a method that does not exist is UNIMPLEMENTED", async () => {
    const wire = await serve([]);
    await using _ = wire;
    expect(await rejection(wire.channel.client(WireService).unary({}))).toMatchObject({ code: "UNIMPLEMENTED" });
  });

  test("a request that does not fit its fields fails before it is sent", async () => {
    const wire = await serve([wireService().implementation]);
    await using _ = wire;
    const client = wire.channel.client(WireService);
    for (const failure of [
      client.unary({ count: 1.5 }),
      collect(client.serverStream({ count: 1e12 })),
      client.clientStream(each({ count: -0.5 })),
      collect(client.bidiStream(each({ count: Number.NaN }))),
      ...Object.values(kinds).map((call) => collect(call(client, "a", { metadata: { "no name": "x" } }))),
      ...Object.values(kinds).map((call) => collect(call(client, "a", { metadata: { name: "a\nb" } }))),
    ]) {
      expect(await rejection(failure)).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  test("a response that cannot be encoded is INTERNAL, and its cause in the log", async () => {
    const broken = {
      get text(): string {
        throw new Error("no text");
      },
    };
    const wrong = implement(WireService, {
      ...handlers(),
      unary: () => broken,
      async *serverStream() {
        yield broken;
      },
    });
    const wire = await serve([wrong]);
    await using _ = wire;
    const client = wire.channel.client(WireService);
    expect(await rejection(client.unary({}))).toMatchObject({ reason: "INTERNAL" });
    expect(await rejection(collect(client.serverStream({})))).toMatchObject({ reason: "INTERNAL" });
    expect(wire.logged).toMatchObject([{ err: { message: "no text" } }, { err: { message: "no text" } }]);
  });

  test("a handler that throws at once, without a promise, fails its call alone", async () => {
    const wrong = implement(WireService, {
      ...handlers(),
      unary: () => {
        throw refusal("CONFLICT", "at once");
      },
      serverStream: () => {
        throw refusal("CONFLICT", "at once");
      },
    });
    const wire = await serve([wrong]);
    await using _ = wire;
    const client = wire.channel.client(WireService);
    expect(await rejection(client.unary({}))).toMatchObject({ reason: "CONFLICT" });
    expect(await rejection(collect(client.serverStream({})))).toMatchObject({ reason: "CONFLICT" });
    expect((await client.clientStream(each({ text: "a" }))).text).toBe("a");
  });
});

describe("flow control", () => {
  test("a handler makes no more answers than the caller reads, give or take a buffer", async () => {
    const total = 20_000;
    const text = "x".repeat(16_384);
    let made = 0;
    const flood = implement(WireService, {
      ...handlers(),
      async *serverStream() {
        for (; made < total; made++) yield { text };
      },
    });
    const wire = await serve([flood]);
    await using _ = wire;
    for await (const __ of wire.channel.client(WireService).serverStream({})) {
      // Wait until the handler has stood still for a long while; without backpressure it would run
      // to the end.
      for (let still = 0, seen = made; still < 500 && made < total; still = made === seen ? still + 1 : 0, seen = made) {
        await new Promise(setImmediate);
      }
      expect(made).toBeLessThan(total / 2);
      break;
    }
  });

  test("a caller sends no more requests than the handler reads, give or take a buffer", async () => {
    const total = 20_000;
    let made = 0;
    const service = wireService();
    const wire = await serve([service.implementation]);
    await using _ = wire;
    async function* requests() {
      yield { text: "park" };
      for (; made < total; made++) yield { text: "x".repeat(16_384) };
    }
    const leave = new AbortController();
    const failure = rejection(wire.channel.client(WireService).clientStream(requests(), { signal: leave.signal }));
    await service.entered;
    for (let still = 0, seen = made; still < 500 && made < total; still = made === seen ? still + 1 : 0, seen = made) {
      await new Promise(setImmediate);
    }
    expect(made).toBeLessThan(total / 2);
    leave.abort();
    await failure;
  });
});

describe("interceptors", () => {
  const table = Object.entries(kinds);

  test.each(table)("%s: they stand around the whole call, the first outermost", async (_, call) => {
    const seen: string[] = [];
    const watch =
      (name: string): Interceptor =>
      async ({ method }, next) => {
        seen.push(`${name} in`);
        await next();
        expect(method.parent.typeName).toBe("test.v1.WireService");
        seen.push(`${name} out`);
      };
    const wire = await serve([wireService().implementation], { interceptors: [watch("a"), watch("b")] });
    await using __ = wire;
    expect(await collect(call(wire.channel.client(WireService), "hello"))).toEqual(["hello"]);
    expect(seen).toEqual(["a in", "b in", "b out", "a out"]);
  });

  test.each(table)("%s: an interceptor that throws first refuses the call; the handler does not run", async (_, call) => {
    const service = wireService();
    const refuse: Interceptor = async () => {
      throw refusal("REPLICA_BUSY", "busy");
    };
    const wire = await serve([service.implementation], { interceptors: [refuse] });
    await using __ = wire;
    expect(await rejection(collect(call(wire.channel.client(WireService), "bug")))).toMatchObject({ reason: "REPLICA_BUSY" });
    expect(wire.logged).toEqual([]);
  });

  test.each(table)("%s: one sees the call's error, and may say it better", async (_, call) => {
    const translate: Interceptor = async (__, next) => {
      try {
        await next();
      } catch (error) {
        throw error instanceof StatusError ? error : refusal("PROGRAM_ERROR", "translated");
      }
    };
    const wire = await serve([wireService().implementation], { interceptors: [translate] });
    await using __ = wire;
    const client = wire.channel.client(WireService);
    expect(await rejection(collect(call(client, "bug")))).toMatchObject({ reason: "PROGRAM_ERROR", message: "translated" });
    expect(await rejection(collect(call(client, "fail")))).toMatchObject({ reason: "QUEUE_FULL" });
  });

  const wrong: Readonly<Record<string, Interceptor>> = {
    "does not call next": async () => {},
    "does not wait for next": async (_, next) => void next(),
    "calls next twice": async (_, next) => {
      await next();
      await next();
    },
    "swallows the error": async (_, next) => next().catch(() => {}),
  };
  test.each(Object.entries(wrong))("an interceptor that %s makes no call succeed, and does not end the process", async (_, interceptor) => {
    const wire = await serve([wireService().implementation], { interceptors: [interceptor] });
    await using __ = wire;
    expect(await rejection(wire.channel.client(WireService).unary({ text: "bug" }))).toMatchObject({ reason: "INTERNAL" });
  });
});

describe("listening", () => {
  test("a socket file without a listener is replaced", async () => {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/s`;
    const former = createServer().listen(path);
    await once(former, "listening");
    former.close(() => {});
    await once(former, "close");
    await writeStaleSocket(path);
    const server = newServer();
    expect(await server.listen(`unix:${path}`)).toBe(`unix:${path}`);
    const channel = new Channel(`unix:${path}`);
    expect((await channel.client(WireService).unary({ text: "a" })).text).toBe("a");
    channel.close();
    await server.close(0);
    expect(await stat(path).catch(() => "gone")).toBe("gone");
  });

  test("a socket with a listener, and a file that is no socket, are left alone", async () => {
    await using folder = await temporaryFolder();
    const first = newServer();
    const address = await first.listen(`unix:${folder.path}/s`);
    await expect(newServer().listen(address)).rejects.toThrow("another process listens there");
    await writeFile(`${folder.path}/f`, "precious");
    await expect(newServer().listen(`unix:${folder.path}/f`)).rejects.toThrow("not a socket");
    await expect(newServer().listen(`unix:${folder.path}/${"x".repeat(120)}`)).rejects.toThrow("at most 107 bytes");
    await first.close(0);
  });

  test("a port in use is said to be", async () => {
    const first = newServer();
    const address = await first.listen("127.0.0.1:0");
    expect(address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    await expect(newServer().listen(address)).rejects.toThrow(`cannot listen at ${address}: listen EADDRINUSE`);
    await first.close(0);
  });

  test("services without a handler, or implemented twice, are refused at once", () => {
    const { implementation } = wireService();
    const options = { log: silentLog, clock: realClock };
    expect(() => new RpcServer({ ...options, implementations: [implementation, implementation] })).toThrow("twice");
    expect(() => new RpcServer({ ...options, implementations: [{ ...implementation, handlers: {} }] })).toThrow("no handler of Unary");
  });
});

/** Leaves a socket file behind, as a killed process does. */
async function writeStaleSocket(path: string): Promise<void> {
  const { execFileSync } = await import("node:child_process");
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  try {
    execFileSync(process.execPath, ["-e", script], { stdio: "ignore" });
  } catch {
    // killed, as wanted
  }
  expect((await stat(path)).isSocket()).toBe(true);
}
