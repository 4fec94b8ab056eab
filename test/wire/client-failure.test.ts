// Goal: a failure that grpc-js itself finds is told in our words. Method: each is brought about for real; the texts of grpc-js must be gone.
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { StatusError } from "../../src/core/errors.ts";
import { Channel, type ChannelOptions } from "../../src/rpc/channel.ts";
import { inOurWords } from "../../src/rpc/client-failure.ts";
import type { CallOptions } from "../../src/rpc/service.ts";
import { WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, rejection, serve, temporaryFolder } from "./harness.ts";
import { framed } from "./raw-caller.ts";
import { kinds, wireService } from "./wire-service.ts";

const foreignWords =
  /Deadline exceeded|LB pick|No connection|Resolution note|Name resolution|Connection dropped|Received|RST_STREAM|Bandwidth|parsing error/;

/** The failure of a call of each kind at an address, which must name the address. */
async function failures(address: string, options: CallOptions = {}, channelOptions: ChannelOptions = {}): Promise<StatusError[]> {
  const channel = new Channel(address, channelOptions);
  onTestFinished(() => channel.close());
  const found: StatusError[] = [];
  for (const call of Object.values(kinds)) {
    const error = (await rejection(collect(call(channel.client(WireService), "a", options)))) as StatusError;
    expect(error.message).not.toMatch(foreignWords);
    expect(error.message).toContain(address);
    found.push(error);
  }
  return found;
}

/** An HTTP/2 server that is no gRPC server. */
async function foreignServer(answer: (stream: ServerHttp2Stream, socket: Socket) => void): Promise<string> {
  const server: Http2Server = createServer();
  let socket: Socket;
  server.on("connection", (connected: Socket) => {
    socket = connected;
  });
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    answer(stream, socket);
  });
  const folder = await temporaryFolder();
  const path = `${folder.path}/s`;
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    server.close();
    await folder[Symbol.asyncDispose]();
  });
  return `unix:${path}`;
}

describe("a failure of a call says in our words", () => {
  test("a message that is marked as compressed in an answer without an encoding is INTERNAL", async () => {
    const address = await foreignServer((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(framed(Buffer.from("a"), true));
    });
    for (const error of await failures(address)) expect(error).toMatchObject({ code: "INTERNAL", reason: "PROTOCOL_VIOLATION" });
  });

  test("that nothing listens at the address", async () => {
    for (const error of await failures("127.0.0.1:1"))
      expect(error).toMatchObject({ code: "UNAVAILABLE", facts: { unreached: { refused: true } } });
    for (const error of await failures("unix:/nowhere/s"))
      expect(error).toMatchObject({ code: "UNAVAILABLE", facts: { unreached: { refused: false } } });
  });

  test("that a name cannot be resolved", async () => {
    for (const error of await failures("no-such-host.invalid:1")) {
      expect(error).toMatchObject({ code: "UNAVAILABLE", facts: { unreached: { refused: false } } });
    }
  });

  test("that the deadline passed", async () => {
    const wire = await serve([wireService().implementation]);
    await using _ = wire;
    const channel = new Channel(wire.address);
    onTestFinished(() => channel.close());
    for (const call of Object.values(kinds)) {
      const error = (await rejection(collect(call(channel.client(WireService), "wait", { deadlineMs: 50 })))) as StatusError;
      expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", reason: "DEADLINE" });
      expect(error.message).not.toMatch(foreignWords);
    }
  });

  test("that an answer is too large", async () => {
    const wire = await serve([wireService().implementation]);
    await using _ = wire;
    for (const error of await failures(wire.address, {}, { messageBytesMax: 1 })) {
      expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
      expect(error.message).toContain(" 1 ");
    }
  });

  test("that the server has no gRPC", async () => {
    const address = await foreignServer((stream) => stream.respond({ ":status": 404 }, { endStream: true }));
    for (const error of await failures(address)) expect(error.message).toContain("404");
  });

  test("that an answer is no message of the method", async () => {
    const address = await foreignServer((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(framed(Uint8Array.of(0xff)));
    });
    for (const error of await failures(address)) expect(error).toMatchObject({ code: "INTERNAL" });
  });

  test("that the server reset the call", async () => {
    const address = await foreignServer((stream) => stream.close(2));
    for (const error of await failures(address)) expect(error).toMatchObject({ code: "INTERNAL" });
  });

  test("that the connection was lost", async () => {
    const address = await foreignServer((stream, socket) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      setImmediate(() => socket.destroy());
    });
    for (const error of await failures(address)) expect(error).toMatchObject({ code: "UNAVAILABLE", reason: undefined });
  });
});

test.each([
  "Received RST_STREAM with code 2 triggered by internal client error: write EPIPE",
  "Received RST_STREAM with code 2 triggered by internal client error: read ECONNRESET",
])("a connection that is lost amid a write is UNAVAILABLE and lost: %s", (text) => {
  const { code, facts } = inOurWords(new StatusError("INTERNAL", text), "unix:/a");
  expect({ code, lost: facts.lost }).toEqual({ code: "UNAVAILABLE", lost: true });
  expect(inOurWords(new StatusError("INTERNAL", "Received RST_STREAM with code 2"), "unix:/a").code).toBe("INTERNAL");
});

test("a status of the server keeps its text", async () => {
  const wire = await serve([wireService().implementation]);
  await using _ = wire;
  for (const call of Object.values(kinds)) {
    const error = await rejection(collect(call(wire.channel.client(WireService), "foreign")));
    expect(error).toMatchObject({ code: "DATA_LOSS", message: "of a program" });
  }
});

test.each([25 * 86_400_000, 1e13, 1e17, Number.POSITIVE_INFINITY])("a deadline in %d ms does not end a call", async (deadlineMs) => {
  const wire = await serve([wireService().implementation]);
  await using _ = wire;
  for (const call of Object.values(kinds)) {
    const [told] = await collect(call(wire.channel.client(WireService), "deadline", { deadlineMs }));
    if (told !== "undefined") expect(Number(told)).toBeGreaterThan(Date.now() + 24 * 86_400_000);
    else expect(deadlineMs).toBeGreaterThan(1e14);
  }
});

test("a deadline that is no number is INVALID_ARGUMENT", async () => {
  const wire = await serve([wireService().implementation]);
  await using _ = wire;
  for (const call of Object.values(kinds)) {
    expect(await rejection(collect(call(wire.channel.client(WireService), "a", { deadlineMs: Number.NaN })))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  }
});
