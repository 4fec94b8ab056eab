// What test/wire holds for servers in TypeScript, held for programs in Python: metadata of every kind, both ways.
import { describe, expect } from "vitest";
import { framed, rawCaller } from "../wire/raw-caller.ts";
import { serve, pythonTest as test } from "./python-harness.ts";

const program = `
  import asyncio, grpc, json

  def put(request, context):
      place, pairs = json.loads(request)
      pairs = tuple((key, bytes(value) if isinstance(value, list) else value) for key, value in pairs)
      if place == "trailers": context.set_trailing_metadata(pairs)
      return pairs if place == "headers" else None

  class InThreads:
      def unary(request, context):
          pairs = put(request, context)
          if pairs is not None: context.send_initial_metadata(pairs)
          return b"done"
      def stream(request, context):
          pairs = put(request, context)
          if pairs is not None: context.send_initial_metadata(pairs)
          yield b"done"

  class Async:
      async def unary(request, context):
          pairs = put(request, context)
          if pairs is not None: await context.send_initial_metadata(pairs)
          return b"done"
      async def stream(request, context):
          pairs = put(request, context)
          if pairs is not None: await context.send_initial_metadata(pairs)
          yield b"done"

  def adders(kind):
      kinds = {"Unary": grpc.unary_unary_rpc_method_handler(vars(kind)["unary"]), "Stream": grpc.unary_stream_rpc_method_handler(vars(kind)["stream"])}
      handler = grpc.method_handlers_generic_handler("raw." + kind.__name__, kinds)
      return lambda server: server.add_generic_rpc_handlers((handler,))

  @drover.deployment(services=lambda _: [adders(InThreads), adders(Async)])
  class Program: pass
`;

type Pair = readonly [string, unknown];

const unsendable: Readonly<Record<string, readonly Pair[]>> = {
  connection: [["connection", "close"]],
  "grpc-status": [["grpc-status", "0"]],
  "content-type": [["content-type", "text/html"]],
  "__proto__ as a key": [["__proto__", "x"]],
  "a key with a colon": [["a:b", "c"]],
  "a pseudo-header": [[":status", "200"]],
  "capital letters": [["X-Tag", "a"]],
  "a blank in a key": [["x tag", "a"]],
  "no key": [["", "a"]],
  "a line break": [["x-tag", "a\nb"]],
  "no ASCII": [["x-tag", "\u00e4"]],
  "a number": [["x-tag", 5]],
  "bytes in a text key": [["x-tag", [1, 255]]],
  "text in a binary key": [["x-bin", "abc"]],
  "a large value": [["big", "v".repeat(100_000)]],
  "many keys": Array.from({ length: 3_000 }, (_, index): Pair => [`k${index}`, "v"]),
};
const sendable: Readonly<Record<string, readonly Pair[]>> = {
  repeated: [
    ["x-tag", "a"],
    ["x-tag", "b"],
  ],
  "location twice": [
    ["location", "/a"],
    ["location", "/b"],
  ],
  "constructor as a key": [["constructor", "x"]],
  bytes: [["x-bin", [0, 255]]],
  large: [["big", "v".repeat(60_000)]],
  many: Array.from({ length: 1_500 }, (_, index): Pair => [`k${index}`, "v"]),
};

const calls = ["InThreads", "Async"].flatMap((service) => ["Unary", "Stream"].map((method) => `/raw.${service}/${method}`));
const frame = (...request: unknown[]) => framed(Buffer.from(JSON.stringify(request)));

describe("metadata of a Python program's own services", () => {
  test("that cannot be sent is INTERNAL for its call alone, with the cause in the log", async () => {
    const { channel, replica, kill, ended } = await serve(program, { env: { DROVER_MAX_ONGOING_REQUESTS: "1" } });
    await using caller = rawCaller(channel.address);
    let failed = 0;
    for (const path of calls) {
      for (const place of ["headers", "trailers"]) {
        for (const [name, pairs] of Object.entries(unsendable)) {
          const end = await caller.call(path, {}, frame(place, pairs));
          expect(end.fields["grpc-status"], `${path} ${place}: ${name}`).toBe("13");
          failed++;
        }
        expect((await caller.call(path, {}, frame(place, []))).fields["grpc-status"]).toBe("0");
      }
    }
    for await (const { ongoingRequests, failedTotal } of replica.watchLoad({})) {
      expect([ongoingRequests, failedTotal]).toEqual([0n, BigInt(failed)]);
      break;
    }
    kill("SIGTERM");
    expect((await ended).stderr.match(/^request .* failed: Traceback/gm)).toHaveLength(failed);
  });

  test("that can be sent reaches the caller", async () => {
    const { channel } = await serve(program);
    await using caller = rawCaller(channel.address);
    for (const path of calls) {
      for (const place of ["headers", "trailers"]) {
        for (const [name, pairs] of Object.entries(sendable)) {
          const end = await caller.call(path, {}, frame(place, pairs));
          expect(end.fields["grpc-status"], `${path} ${place}: ${name}`).toBe("0");
          for (const [key] of pairs) expect(Object.keys(end.fields), name).toContain(key);
        }
      }
    }
  });
});

test("a call may bring as much metadata as the gateway lets through, and any deadline", async () => {
  const { channel } = await serve(program);
  await using caller = rawCaller(channel.address);
  const many = Object.fromEntries(Array.from({ length: 1_500 }, (_, index) => [`k${index}`, "v"]));
  for (const headers of [many, { big: "v".repeat(64_000) }, { "grpc-timeout": "800H" }, { "grpc-timeout": "99999999H" }]) {
    expect((await caller.call("/raw.Async/Unary", headers, frame("trailers", []))).fields["grpc-status"]).toBe("0");
  }
});
