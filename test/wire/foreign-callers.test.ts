// Goal: a caller that is not grpc-js is understood as gRPC's protocol says. Method: a caller that sends its own headers and bytes.

import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CallContext } from "../../src/rpc/service.ts";
import { implement } from "../../src/rpc/service.ts";
import { fuzzSeed } from "../kit/fuzz-seed.ts";
import { playAt, withoutUncaught } from "../kit/raw-peers.ts";
import { WireRequestSchema, WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, serve } from "./harness.ts";
import { bytesOf, framed, type RawEnd, rawCaller } from "./raw-caller.ts";
import { wireService } from "./wire-service.ts";

const methods = ["Unary", "ServerStream", "ClientStream", "BidiStream"] as const;
const path = (method: string) => `/test.v1.WireService/${method}`;
const hello = bytesOf(WireRequestSchema, { text: "hello", count: 1 });
const status = ({ fields }: RawEnd) => Number(fields["grpc-status"]);
const reason = ({ fields }: RawEnd) =>
  /[A-Z]+(_[A-Z]+)+/.exec(Buffer.from(fields["grpc-status-details-bin"] ?? "", "base64").toString())?.[0];

async function started() {
  const service = wireService();
  const wire = await serve([service.implementation]);
  const caller = rawCaller(wire.address);
  const close = async () => {
    await caller[Symbol.asyncDispose]();
    await wire[Symbol.asyncDispose]();
  };
  return { service, wire, caller, [Symbol.asyncDispose]: close };
}

describe.each(methods)("compression of requests: %s", (method) => {
  test.each(["snappy", "zstd", "GZIP", "drover-no-encoding", "gzip,identity"])(
    "%s is UNIMPLEMENTED, and the encodings there are come with it",
    async (encoding) => {
      await using all = await started();
      const end = await all.caller.call(path(method), { "grpc-encoding": encoding }, framed(hello, true));
      expect([status(end), reason(end)]).toEqual([12, "ENCODING_NOT_SUPPORTED"]);
      expect(end.fields["grpc-accept-encoding"]).toBe("identity,deflate,gzip");
    },
  );

  test.each([{}, { "grpc-encoding": "identity" }])(
    "a message marked as compressed without an encoding is INTERNAL: %j",
    async (headers) => {
      await using all = await started();
      for (const bytes of [hello, gzipSync(hello), new Uint8Array()]) {
        const end = await all.caller.call(path(method), headers, framed(bytes, true));
        expect([status(end), reason(end)]).toEqual([13, "PROTOCOL_VIOLATION"]);
        expect(end.resetCode).toBe(0);
      }
      expect(status(await all.caller.call(path(method), headers, framed(hello)))).toBe(0);
      expect(all.wire.logged).toEqual([]);
    },
  );

  test("a message that is no gzip, marked as gzip, is INTERNAL, and not in grpc-js's words", async () => {
    await using all = await started();
    for (const bytes of [hello, new Uint8Array()]) {
      const end = await all.caller.call(path(method), { "grpc-encoding": "gzip" }, framed(bytes, true));
      expect([status(end), reason(end)]).toEqual([13, "PROTOCOL_VIOLATION"]);
    }
    expect(all.wire.logged).toEqual([]);
  });

  test("gzip is understood", async () => {
    await using all = await started();
    const end = await all.caller.call(path(method), { "grpc-encoding": "gzip" }, framed(gzipSync(hello), true));
    expect(status(end)).toBe(0);
    expect(end.body.includes("hello")).toBe(true);
  });
});

describe("the deadline of a call", () => {
  const day = 86_400;
  test.each([`${25 * day}S`, `${30 * day}S`, "1200H", "49710M", "99999999H"])("%s is no deadline, and in the future", async (timeout) => {
    await using all = await started();
    const before = Date.now();
    const asked = bytesOf(WireRequestSchema, { text: "deadline" });
    const end = await all.caller.call(path("Unary"), { "grpc-timeout": timeout }, framed(asked));
    const deadlineMs = Number(/\d+/.exec(end.body.toString())?.[0]);
    expect(deadlineMs).toBeGreaterThanOrEqual(before + 2 ** 31);

    const waiting = all.caller.call(path("Unary"), { "grpc-timeout": timeout }, framed(bytesOf(WireRequestSchema, { text: "wait" })));
    const { signal, metadata } = await all.service.entered;
    expect(metadata.get("drover-far-deadline")).toEqual([]);
    // A timer that counts modulo 2^32 strikes during these calls.
    for (let calls = 0; calls < 20; calls++) await all.caller.call(path("Unary"), {}, framed(hello));
    expect(signal.aborted).toBe(false);
    all.service.release();
    expect(status(await waiting)).toBe(0);
  });

  test.each(["", "1", "S", "-1S", "1.5S", "123456789S", "1 S", "1h"])("%j is no timeout: INVALID_ARGUMENT", async (timeout) => {
    await using all = await started();
    expect(status(await all.caller.call(path("Unary"), { "grpc-timeout": timeout }, framed(hello)))).toBe(3);
  });

  test("cannot be set by another header", async () => {
    await using all = await started();
    const asked = framed(bytesOf(WireRequestSchema, { text: "deadline" }));
    const end = await all.caller.call(path("Unary"), { "drover-far-deadline": "1" }, asked);
    expect(end.body.toString()).toContain("undefined");
  });
});

test("metadata with blanks at its ends reaches the handler", async () => {
  await using all = await started();
  const waiting = all.caller.call(path("Unary"), { "x-tag": " a " }, framed(bytesOf(WireRequestSchema, { text: "wait" })));
  const { metadata } = await all.service.entered;
  expect(metadata.get("x-tag")).toEqual([" a "]);
  all.service.release();
  expect(status(await waiting)).toBe(0);
});

test("a caller that leaves at once disturbs nobody, whatever it sent", async () => {
  await using all = await started();
  const odd = [
    ["grpc-encoding", "snappy"],
    ["grpc-timeout", "x"],
    ["grpc-timeout", "1n"],
    ["content-type", "text/html"],
    ["x", "y"],
  ] as const;
  for (const method of [...methods, "None"]) {
    for (const [name, value] of odd) {
      const own = { ":method": "POST", ":scheme": "http", ":path": path(method), ":authority": "a", "content-type": "application/grpc" };
      const fields = Object.entries({ ...own, [name]: value });
      const moves = [1, 3, 5].flatMap((stream) => [
        { stream, move: { kind: "headers", fields, end: false, pieces: 1 } as const },
        { stream, move: { kind: "reset", code: 8 } as const },
      ]);
      await withoutUncaught(async () => void (await playAt(all.wire.address, moves)));
    }
  }
  expect(status(await all.caller.call(path("Unary"), {}, framed(hello)))).toBe(0);
});

test("metadata arrives as it was sent: names, values and how often each came", async () => {
  let seen: CallContext["metadata"] | undefined;
  const echo = implement(WireService, {
    ...(wireService().implementation.handlers as object),
    unary: (_: unknown, context: CallContext) => {
      seen = context.metadata;
      return {};
    },
  } as never);
  const wire = await serve([echo]);
  const caller = rawCaller(wire.address);
  const name = fc.oneof(
    fc.constantFrom(
      "from",
      "referer",
      "user-agent",
      "cookie",
      "location",
      "constructor",
      "__proto__",
      "tostring",
      "x-tag",
      "a-bin",
      "b-bin",
    ),
    fc.stringMatching(/^[a-z][a-z0-9_.-]{0,9}$/).filter((text) => !/^(te|host|connection|upgrade|keep-alive)$|^grpc-|-bin$/.test(text)),
  );
  const value = fc.stringMatching(/^[!-+\--~]{1,8}$/);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 8 }), async (pairs) => {
      const sent = pairs.map(([key, text]) => [key, key.endsWith("-bin") ? Buffer.from(text).toString("base64") : text] as const);
      const end = await caller.call(path("Unary"), sent.flat(), framed(hello));
      expect(status(end)).toBe(0);
      for (const [key] of pairs) {
        const values = pairs.filter(([other]) => other === key).map(([, text]) => (key.endsWith("-bin") ? Buffer.from(text) : text));
        expect(seen?.get(key), key).toEqual(values);
      }
    }),
    { seed: fuzzSeed, numRuns: 300 },
  );
  const bin = await caller.call(path("Unary"), ["a-bin", "AQ==,Ag", "a-bin", "Aw=="], framed(hello));
  expect(status(bin)).toBe(0);
  expect(seen?.get("a-bin")).toEqual([Buffer.of(1), Buffer.of(2), Buffer.of(3)]);
  await caller[Symbol.asyncDispose]();
  await wire[Symbol.asyncDispose]();
});

test("a call may bring as much metadata as the gateway lets through", async () => {
  await using all = await started();
  const many = Object.fromEntries(Array.from({ length: 1_500 }, (_, index) => [`k${index}`, "v"]));
  expect(status(await all.caller.call(path("Unary"), many, framed(hello)))).toBe(0);
  expect(status(await all.caller.call(path("Unary"), { big: "v".repeat(64_000) }, framed(hello)))).toBe(0);
  expect(await collect(all.wire.channel.client(WireService).serverStream({ text: "a", count: 1 }))).toHaveLength(1);
});
