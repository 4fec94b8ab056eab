import { constants } from "node:http2";
import fc from "fast-check";
import { expect, test } from "vitest";
import { StatusError } from "../../src/core/errors.ts";
import { type CallContext, implement } from "../../src/rpc/service.ts";
import { fuzzSeed } from "../kit/fuzz-seed.ts";
import { WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, rejection, serve } from "./harness.ts";
import { kinds, wireService } from "./wire-service.ts";

/** A server that remembers the metadata of its last call, and a call in work beside. */
async function started() {
  const service = wireService();
  let seen: CallContext["metadata"] | undefined;
  const handlers = {
    ...service.implementation.handlers,
    unary: (request: never, context: CallContext) => {
      seen = context.metadata;
      return service.implementation.handlers.unary?.(request, context);
    },
  };
  const wire = await serve([implement(WireService, handlers as never)]);
  const client = wire.channel.client(WireService);
  const parked = client.unary({ text: "wait" });
  parked.catch(() => {}); // each test waits for it itself
  await service.entered;
  return { wire, client, parked, service, seen: () => seen };
}

test.each([
  "connection",
  "transfer-encoding",
  "http2-settings",
  "Upgrade",
  "a:b",
  ":path",
  "grpc-timeout",
  "content-type",
  "__proto__",
  "a b",
  "",
])("a key that cannot be sent fails its call before it is sent: %s", async (key) => {
  const { wire, client, parked, service } = await started();
  await using _ = wire;
  const metadata = Object.fromEntries([[key, "x"]]);
  for (const call of Object.values(kinds)) {
    expect(await rejection(collect(call(client, "a", { metadata })))).toMatchObject({ code: "INVALID_ARGUMENT" });
  }
  service.release();
  expect((await parked).text).toBe("done");
});

test.each([[{ key: "v".repeat(70_000) }], [Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, "v"]))]])(
  "more metadata than is sent fails its call alone",
  async (metadata) => {
    const { wire, client, parked, service } = await started();
    await using _ = wire;
    expect(await rejection(client.unary({ text: "a" }, { metadata }))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    service.release();
    expect((await parked).text).toBe("done");
  },
);

test("whatever metadata a caller gives, its call is refused or arrives with it, and no other call is disturbed", async () => {
  const { wire, client, parked, service, seen } = await started();
  await using _ = wire;
  const known = Object.entries(constants).flatMap(([name, value]) => (name.startsWith("HTTP2_HEADER_") ? [String(value)] : []));
  const key = fc.oneof(fc.constantFrom(...known, "constructor", "tostring"), fc.stringMatching(/^[a-z0-9_.:-]{1,12}$/));
  const texts = fc.array(fc.stringMatching(/^[!-~]{1,8}$/), { minLength: 1, maxLength: 3 });
  const given = fc
    .tuple(key, texts)
    .map(([name, values]) => [name, name.endsWith("-bin") ? values.map((text) => Buffer.from(text)) : values] as const);
  await fc.assert(
    fc.asyncProperty(fc.array(given, { maxLength: 3 }), async (pairs) => {
      const metadata = Object.fromEntries(pairs);
      const end = await client.unary({ text: "hello" }, { metadata, deadlineMs: 60_000 }).catch((error: unknown) => error);
      if (end instanceof StatusError) {
        expect(end.code).toBe("INVALID_ARGUMENT");
        return;
      }
      expect(end).toMatchObject({ text: "hello" });
      for (const [name, values] of Object.entries(metadata)) {
        if (["user-agent", "host", "accept-encoding"].includes(name)) continue; // grpc-js adds to them, or takes them away
        const got = seen()?.get(name);
        if (known.includes(name)) expect(got?.join(", "), name).toBe(values.join(", "));
        else expect(got, name).toEqual(values);
      }
    }),
    { seed: fuzzSeed, numRuns: 300 },
  );
  service.release();
  expect((await parked).text).toBe("done");
});
