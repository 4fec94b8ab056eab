import { once } from "node:events";
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type StatusObject,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../kit/until.ts";
import { answer, deferred, endpoint, frame, type House, house, rawReplica } from "./harness.ts";

// Bytes in, bytes out: a program that serializes nothing, and a caller that does not either.
const same = (bytes: Buffer) => bytes;
const big = Buffer.alloc(5_000_000, "0123456789abcdef");

function echoServer(): Server {
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.register<Buffer, Buffer>(
    "/test.Echo/Unary",
    (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      const seen = new Metadata();
      for (const [name, value] of Object.entries(call.metadata.getMap())) if (name.startsWith("x-")) seen.add(`seen-${name}`, value);
      call.sendMetadata(seen);
      const trailers = new Metadata();
      trailers.set("x-trailer", "the end");
      trailers.set("x-bytes-bin", Buffer.from([0, 255, 1]));
      callback(null, call.request, trailers);
    },
    same,
    same,
    "unary",
  );
  server.register<Buffer, Buffer>(
    "/test.Echo/Fail",
    (_call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      const metadata = new Metadata();
      metadata.set("x-why", "because");
      callback({ code: 9, details: "not now: ünïcödé 100%", metadata });
    },
    same,
    same,
    "unary",
  );
  server.register<Buffer, Buffer>(
    "/test.Echo/Repeat",
    (call: ServerWritableStream<Buffer, Buffer>) => {
      for (let turn = 0; turn < 100; turn++) call.write(Buffer.concat([Buffer.from([turn]), call.request]));
      call.end();
    },
    same,
    same,
    "serverStream",
  );
  server.register<Buffer, Buffer>(
    "/test.Echo/Collect",
    (call: ServerReadableStream<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      const parts: Buffer[] = [];
      call.on("data", (part: Buffer) => parts.push(part));
      call.on("end", () => callback(null, Buffer.concat(parts)));
    },
    same,
    same,
    "clientStream",
  );
  server.register<Buffer, Buffer>(
    "/test.Echo/Talk",
    (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on("data", (part: Buffer) => call.write(part));
      call.on("end", () => call.end());
    },
    same,
    same,
    "bidi",
  );
  return server;
}

describe("relay", () => {
  let at: House;
  let server: Server;
  let client: Client;

  beforeAll(async () => {
    at = await house();
    server = echoServer();
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    at.routes.set("echo", [endpoint("echo-1", `127.0.0.1:${port}`)], { maxOngoingRequests: 100 });
    client = new Client(at.address, credentials.createInsecure(), { "grpc.max_receive_message_length": -1 });
  });

  afterAll(async () => {
    client.close();
    await at[Symbol.asyncDispose]();
    server.forceShutdown();
  });

  function unary(path: string, request: Buffer, metadata = new Metadata()) {
    return new Promise<{ error: ServiceError | null; response: Buffer | undefined; headers: Metadata | undefined; status: StatusObject }>(
      (resolve) => {
        let headers: Metadata | undefined;
        let result: { error: ServiceError | null; response: Buffer | undefined };
        const call = client.makeUnaryRequest(path, same, same, request, metadata, {}, (error, response) => {
          result = { error, response };
        });
        call.on("metadata", (given: Metadata) => {
          headers = given;
        });
        call.on("status", (status: StatusObject) => setImmediate(() => resolve({ ...result, headers, status })));
      },
    );
  }

  test("a unary call brings back exactly the bytes", async () => {
    const request = Buffer.from([...Array(256).keys()]);
    expect((await unary("/test.Echo/Unary", request)).response).toEqual(request);
    expect((await unary("/test.Echo/Unary", Buffer.alloc(0))).response).toEqual(Buffer.alloc(0));
  });

  test("5 MB go there and back", async () => {
    const { response } = await unary("/test.Echo/Unary", big);
    expect(response?.equals(big)).toBe(true);
  });

  test("metadata, binary too, goes both ways, and the answer names the replica", async () => {
    const metadata = new Metadata();
    metadata.set("x-name", "value, with a comma");
    metadata.set("x-data-bin", Buffer.from([0, 1, 254]));
    const { headers, status } = await unary("/test.Echo/Unary", Buffer.from("a"), metadata);
    expect(headers?.get("seen-x-name")).toEqual(["value, with a comma"]);
    expect(headers?.get("seen-x-data-bin")).toEqual([Buffer.from([0, 1, 254])]);
    expect(headers?.get("drover-replica")).toEqual(["echo-1"]);
    expect(status.metadata.get("x-trailer")).toEqual(["the end"]);
    expect(status.metadata.get("x-bytes-bin")).toEqual([Buffer.from([0, 255, 1])]);
  });

  test("a program's error keeps its code, message and metadata", async () => {
    const { error } = await unary("/test.Echo/Fail", Buffer.from("a"));
    expect(error).toMatchObject({ code: 9, details: "not now: ünïcödé 100%" });
    expect(error?.metadata.get("x-why")).toEqual(["because"]);
  });

  test("a method the program does not have is its own UNIMPLEMENTED", async () => {
    expect((await unary("/test.Echo/Nothing", Buffer.alloc(0))).error?.code).toBe(12);
  });

  test("a server stream brings every message, in order", async () => {
    const call = client.makeServerStreamRequest("/test.Echo/Repeat", same, same, Buffer.alloc(60_000, 7));
    const seen: number[] = [];
    for await (const message of call) {
      expect((message as Buffer).length).toBe(60_001);
      seen.push((message as Buffer)[0] as number);
    }
    expect(seen).toEqual([...Array(100).keys()]);
  });

  test("a client stream brings every message, in order", async () => {
    const parts = Array.from({ length: 100 }, (_, index) => Buffer.alloc(50_000, index));
    const response = await new Promise<Buffer | undefined>((resolve, reject) => {
      const call = client.makeClientStreamRequest<Buffer, Buffer>("/test.Echo/Collect", same, same, (error, bytes) =>
        error ? reject(error) : resolve(bytes),
      );
      for (const part of parts) call.write(part);
      call.end();
    });
    expect(response?.equals(Buffer.concat(parts))).toBe(true);
  });

  test("in a bidi stream each side hears the other before it goes on", async () => {
    const call = client.makeBidiStreamRequest<Buffer, Buffer>("/test.Echo/Talk", same, same);
    for (let turn = 0; turn < 20; turn++) {
      call.write(Buffer.from([turn]));
      const [heard] = (await once(call, "data")) as [Buffer];
      expect(heard).toEqual(Buffer.from([turn]));
    }
    call.end();
    const [status] = (await once(call, "status")) as [StatusObject];
    expect(status.code).toBe(0);
  });

  test("when all is over no place is taken", async () => {
    await until(() => at.gateway.ongoing("echo-1") === 0);
  });
});

describe("relay, frame by frame", () => {
  test("headers that come twice stay apart, both ways", async () => {
    await using at = await house();
    const seen = deferred<readonly string[]>();
    await using replica = await rawReplica((stream, _headers, raw) => {
      seen.resolve(raw);
      stream.respond({ ":status": 200, "content-type": "application/grpc", "x-two": ["1", "2"] }, { waitForTrailers: true });
      stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "x-end": ["3", "4"] }));
      stream.end(frame("ok"));
    });
    at.routes.set("raw", [endpoint("raw-1", replica.address)]);
    const got = await at.caller.call("/test.Echo/Any", { "x-twice": ["a", "b, c"] });
    const values = (raw: readonly string[], name: string) => raw.filter((_, index) => index % 2 === 1 && raw[index - 1] === name);
    expect(values(await seen.promise, "x-twice")).toEqual(["a", "b, c"]);
    expect(values(got.rawHeaders, "x-two")).toEqual(["1", "2"]);
    expect(values(got.rawTrailers, "x-end")).toEqual(["3", "4"]);
  });

  test("a response that is only trailers stays that", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream) =>
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "5" }, { endStream: true }),
    );
    at.routes.set("raw", [endpoint("raw-1", replica.address)]);
    const got = await at.caller.call("/test.Echo/Any");
    expect(got).toMatchObject({ status: 5, trailers: undefined, resetCode: 0 });
    expect(got.headers["drover-replica"]).toBe("raw-1");
  });

  test("informational responses are passed over", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream) => {
      stream.additionalHeaders({ ":status": 103 });
      answer(stream);
    });
    at.routes.set("raw", [endpoint("raw-1", replica.address)]);
    expect(await at.caller.call("/test.Echo/Any")).toMatchObject({ status: 0, body: frame("ok") });
  });

  test("a replica that answers before the caller has finished ends the call", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream) =>
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "3" }, { endStream: true }),
    );
    at.routes.set("raw", [endpoint("raw-1", replica.address)]);
    const stream = at.caller.open("/test.Echo/Any");
    stream.write(frame("and more would follow"));
    const [headers] = await once(stream, "response");
    expect(headers["grpc-status"]).toBe("3");
    await until(() => at.gateway.ongoing("raw-1") === 0);
    stream.destroy();
  });

  test("a caller that does not read holds the replica back", async () => {
    await using at = await house();
    let written = 0;
    const chunk = Buffer.alloc(256 * 1024);
    const stuck = deferred();
    await using replica = await rawReplica((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      const pour = () => {
        while (written < 64 * 1024 * 1024) {
          written += chunk.length;
          if (!stream.write(chunk)) {
            stuck.resolve();
            stream.once("drain", pour);
            return;
          }
        }
        stream.end();
      };
      pour();
    });
    at.routes.set("raw", [endpoint("raw-1", replica.address)]);
    const stream = at.caller.open("/test.Echo/Any");
    stream.end();
    await once(stream, "response");
    await stuck.promise;
    // Nothing moves any more once the windows and buffers on the way are full: 1 MiB each.
    let before = -1;
    while (before !== written) {
      before = written;
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(written).toBeLessThan(16 * 1024 * 1024);
    stream.destroy();
  });

  test("a stream that the replica resets is reset with the same code", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream) => stream.close(2));
    at.routes.set("raw", [endpoint("raw-1", replica.address)]);
    expect((await at.caller.call("/test.Echo/Any")).resetCode).toBe(2);
    expect(at.gateway.ongoing("raw-1")).toBe(0);
  });

  test("what is not gRPC is turned away in plain HTTP", async () => {
    await using at = await house();
    expect((await at.caller.call("/x", { "content-type": "application/json" })).headers[":status"]).toBe(415);
    expect((await at.caller.call("/x", { "content-type": "application/grpc-web" })).headers[":status"]).toBe(415);
    const get = at.caller.session.request({ ":method": "GET", ":path": "/" });
    const [headers] = await once(get, "response");
    expect(headers[":status"]).toBe(405);
    get.destroy();
  });
});
