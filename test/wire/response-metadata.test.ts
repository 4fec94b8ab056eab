import { constants } from "node:http2";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StatusError } from "../../src/core/errors.ts";
import { type CallContext, implement } from "../../src/rpc/service.ts";
import { fuzzSeed } from "../kit/fuzz-seed.ts";
import { WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, rejection, serve } from "./harness.ts";
import { kinds } from "./wire-service.ts";

const places = ["responseHeaders", "responseTrailers"] as const;
type Place = (typeof places)[number];
type Pair = readonly [string, string];

/** A service that sends metadata and echoes; `put` says which metadata. */
function echoing(put: (context: CallContext) => void) {
  return implement(WireService, {
    unary: ({ text }, context) => {
      put(context);
      return { text };
    },
    async *serverStream({ text }, context) {
      put(context);
      yield { text };
    },
    clientStream: async (requests, context) => {
      put(context);
      return { text: (await collect(requests)).map(({ text }) => text).join() };
    },
    async *bidiStream(requests, context) {
      put(context);
      for await (const { text } of requests) yield { text };
    },
  });
}

/** A server whose calls send these pairs, and the texts that a call of a kind gives back. */
async function sending() {
  let place: Place = "responseHeaders";
  let pairs: readonly Pair[] = [];
  const wire = await serve([
    echoing((context) => {
      for (const [name, value] of pairs) context[place].add(name, value);
    }),
  ]);
  const call = (kind: keyof typeof kinds, where: Place, what: readonly Pair[]) => {
    [place, pairs] = [where, what];
    return collect(kinds[kind](wire.channel.client(WireService), "hello"));
  };
  return { wire, call };
}

/** Names that HTTP allows once, and HTTP/2 any number of times. */
const repeated = ["location", "etag", "retry-after", "authorization", "date"];

const unsendable: Readonly<Record<string, readonly Pair[]>> = {
  "http2-settings": [["http2-settings", "a"]],
  connection: [["connection", "close"]],
  "transfer-encoding": [["transfer-encoding", "chunked"]],
  "a name with a colon": [["a:b", "c"]],
  "grpc-status": [["grpc-status", "0"]],
  "content-type": [["content-type", "text/html"]],
  "__proto__ as a key": [["__proto__", "x"]],
  "a large value": [["big", "v".repeat(100_000)]],
  "many keys": Array.from({ length: 2_000 }, (_, index): Pair => [`k${index}`, "v"]),
};

test.each(repeated)("response metadata with %s twice fails no call", async (name) => {
  const { wire, call } = await sending();
  await using _ = wire;
  for (const where of places) {
    for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
      const pairs: Pair[] = [
        [name, "a"],
        [name, "b"],
      ];
      expect(await call(kind, where, pairs), kind).toEqual(["hello"]);
    }
  }
  expect(wire.logged).toEqual([]);
});

describe("response metadata that cannot be sent", () => {
  for (const place of places) {
    test.each(Object.entries(unsendable))(`${place}: %s fails that call alone, with its cause in the log`, async (_, pairs) => {
      const { wire, call } = await sending();
      await using __ = wire;
      for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
        expect(await rejection(call(kind, place, pairs)), kind).toMatchObject({ code: "INTERNAL", reason: "INTERNAL" });
        expect(await call(kind, place, [["x-tag", "a"]]), kind).toEqual(["hello"]);
      }
      expect(wire.logged).toHaveLength(Object.keys(kinds).length);
      for (const { err, method, requestId } of wire.logged) {
        expect(err).toBeInstanceOf(Error);
        expect(method).toContain("/test.v1.WireService/");
        expect(requestId).not.toBe("");
      }
    });
  }

  test("an error with such trailers is INTERNAL, too", async () => {
    const wire = await serve([
      echoing(({ responseTrailers }) => {
        responseTrailers.add("http2-settings", "a");
        throw new Error("a secret");
      }),
    ]);
    await using _ = wire;
    for (const call of Object.values(kinds)) {
      expect(await rejection(collect(call(wire.channel.client(WireService), "a")))).toMatchObject({ code: "INTERNAL" });
    }
  });
});

test("whatever metadata a handler sends, its call has one end, and the server goes on", async () => {
  const { wire, call } = await sending();
  await using _ = wire;
  const known = Object.entries(constants).flatMap(([name, value]) => (name.startsWith("HTTP2_HEADER_") ? [String(value)] : []));
  const name = fc.oneof(
    fc.constantFrom(...known),
    fc.stringMatching(/^[a-z0-9_.:-]{1,20}$/).filter((text) => !text.endsWith("-bin")),
  );
  const pairs = fc.array(fc.tuple(name, fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)), { maxLength: 4 });
  const twice = fc.constantFrom(...known).map((one): readonly Pair[] => [
    [one, "a"],
    [one, "b"],
  ]);
  const kind = fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[]));
  await fc.assert(
    fc.asyncProperty(kind, fc.constantFrom(...places), fc.oneof(pairs, twice), async (how, place, what) => {
      const end = await call(how, place, what).catch((error: StatusError) => error.code);
      if (typeof end === "string") expect(end).toBe("INTERNAL");
      else expect(end).toEqual(["hello"]);
    }),
    { seed: fuzzSeed, numRuns: 500 },
  );
});
