// Goal: nothing that a peer sends, and no metadata that a program sets, hurts anything but its own
// calls. Method: peers that make arbitrary moves of HTTP/2 face a real server and a real channel.

import fc from "fast-check";
import { expect, test } from "vitest";
import { StatusError } from "../../src/core/errors.ts";
import { Channel } from "../../src/rpc/channel.ts";
import type { ServiceHandlers } from "../../src/rpc/service.ts";
import { anyMetadata, anyMove, fieldsOfMetadata } from "../kit/any-http2.ts";
import { fuzzSeed } from "../kit/fuzz-seed.ts";
import type { RawFields } from "../kit/http2-frames.ts";
import { playAt, rawServer, withoutUncaught } from "../kit/raw-peers.ts";
import { WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, each, serve } from "./harness.ts";
import { wireService } from "./wire-service.ts";

const runs = { seed: fuzzSeed, numRuns: 150, timeout: 20_000, interruptAfterTimeLimit: 60_000 };

/** A stream of requests that a test writes one by one. */
function writable() {
  const { readable, writable: sink } = new TransformStream<{ readonly text: string }>();
  const writer = sink.getWriter();
  return { requests: readable as AsyncIterable<{ readonly text: string }>, write: (text: string) => void writer.write({ text }) };
}

/** A server with a neighbour, whose stream is answered text by text. */
async function street(implementation = wireService().implementation) {
  const wire = await serve([implementation]);
  const client = wire.channel.client(WireService);
  const { requests, write } = writable();
  const answers = client.bidiStream(requests)[Symbol.asyncIterator]();
  const talk = async () => {
    write("how are you?");
    expect(await answers.next()).toMatchObject({ done: false, value: { text: "how are you?" } });
  };
  await talk();
  return { ...wire, client, talk };
}

/** Whether a call was answered; it fails with a status, and nothing else. */
async function isAnswered(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(StatusError);
    return false;
  }
}

test("whatever a caller sends, other callers of a server go on, and it can be closed", async () => {
  const request: RawFields = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/test.v1.WireService/BidiStream"],
    [":authority", "street"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
  ];
  const stream = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(1, 3, 5) }, { weight: 1, arbitrary: fc.constantFrom(0, 2, 0x7fffffff) });
  const moves = fc.array(fc.record({ stream, move: anyMove(request) }), { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(moves, (all) =>
      withoutUncaught(async () => {
        const wire = await street();
        await using _ = wire;
        expect(await playAt(wire.address, all)).toEqual([]);
        await wire.talk();
      }),
    ),
    runs,
  );
});

test("whatever a server sends, a call of a channel ends with an answer or a status", async () => {
  const response: RawFields = [
    [":status", "200"],
    ["content-type", "application/grpc"],
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(anyMove(response), { maxLength: 6 }), (moves) =>
      withoutUncaught(async () => {
        await using server = await rawServer(() => moves);
        const channel = new Channel(server.address);
        try {
          const client = channel.client(WireService);
          await isAnswered(client.unary({ text: "hello" }, { deadlineMs: 100 }));
          await isAnswered(collect(client.bidiStream(each({ text: "hello" }), { deadlineMs: 100 })));
        } finally {
          channel.close();
        }
      }),
    ),
    runs,
  );
});

test("whatever metadata a program sets, its call ends with an answer or a status, and others go on", async () => {
  const { handlers } = wireService().implementation;
  await fc.assert(
    fc.asyncProperty(anyMetadata, anyMetadata, (headers, trailers) =>
      withoutUncaught(async () => {
        const unary: ServiceHandlers<typeof WireService>["unary"] = ({ text }, { responseHeaders, responseTrailers }) => {
          for (const [name, value] of fieldsOfMetadata(headers)) responseHeaders.add(name, value);
          for (const [name, value] of fieldsOfMetadata(trailers)) responseTrailers.add(name, value);
          return { text };
        };
        const wire = await street({ service: WireService, handlers: { ...handlers, unary } });
        await using _ = wire;
        await isAnswered(wire.client.unary({ text: "hello" }));
        await wire.talk();
        expect(await isAnswered(collect(wire.client.bidiStream(each({ text: "hello" }))))).toBe(true);
      }),
    ),
    runs,
  );
});
