// Goal: each call kind behaves the same over each transport. Method: a real server and a real client; one table of laws.
import type { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { ReconfigureFailureSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { StatusError } from "../../src/core/errors.ts";
import { detailOf } from "../../src/rpc/error-detail.ts";
import type { CallOptions } from "../../src/rpc/service.ts";
import { WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, each, rejection, serve, transports } from "./harness.ts";
import { kinds, richFailure, wireService } from "./wire-service.ts";

const table = transports.flatMap((transport) => Object.entries(kinds).map(([kind, call]) => ({ transport, kind, call })));

describe.each(table)("$kind over $transport", ({ transport, call }) => {
  async function start() {
    const service = wireService();
    const wire = await serve([service.implementation], { transport });
    const client = wire.channel.client(WireService);
    return { service, wire, ask: (text: string, options?: CallOptions) => collect(call(client, text, options)) };
  }

  test("a request is answered", async () => {
    const { wire, ask } = await start();
    await using _ = wire;
    expect(await ask("hello")).toEqual(["hello"]);
    expect(await ask("")).toEqual([""]);
    expect(wire.logged).toEqual([]);
  });

  test("metadata travels both ways, headers first, trailers with the status", async () => {
    const { wire, ask } = await start();
    await using _ = wire;
    const seen: [string, Metadata][] = [];
    const texts = await ask("metadata", {
      metadata: { "x-sent": "s" },
      onHeaders: (metadata) => seen.push(["headers", metadata]),
      onTrailers: (metadata) => seen.push(["trailers", metadata]),
    });
    expect(texts).toEqual(["s"]);
    expect(seen.map(([name]) => name)).toEqual(["headers", "trailers"]);
    expect(seen[0]?.[1].get("x-header")).toEqual(["h"]);
    expect(seen[1]?.[1].get("x-trailer")).toEqual(["t"]);
  });

  test("an error arrives with its code, reason and every detail, and with trailers", async () => {
    const { wire, ask } = await start();
    await using _ = wire;
    let trailer: unknown;
    const error = (await rejection(
      ask("fail", {
        onTrailers: (metadata) => {
          trailer = metadata.get("x-trailer")[0];
        },
      }),
    )) as StatusError;
    expect(error).toBeInstanceOf(StatusError);
    expect(error.code).toBe("RESOURCE_EXHAUSTED");
    expect(error.message).toBe(richFailure.message);
    expect(error.reason).toBe("QUEUE_FULL");
    expect(error.facts).toMatchObject({
      violations: richFailure.facts.violations,
      retryAfterMs: 1500,
      metadata: { deployment: "sentiment" },
    });
    expect(detailOf(error, ReconfigureFailureSchema)).toMatchObject({ replicas: [{ replicaId: "a-1" }], replicasLeftOut: 7 });
    expect(trailer).toBe("t");
    expect(wire.logged).toEqual([]);
  });

  test("a status without a reason keeps its code and message", async () => {
    const { wire, ask } = await start();
    await using _ = wire;
    expect(await rejection(ask("foreign"))).toMatchObject({ code: "DATA_LOSS", message: "of a program", reason: undefined, facts: {} });
  });

  test("an unexpected error is INTERNAL to the caller, and its cause is only in the log, under the request's id", async () => {
    const { wire, ask } = await start();
    await using _ = wire;
    const error = (await rejection(ask("bug", { metadata: { "x-request-id": "r-1" } }))) as StatusError;
    expect(error).toMatchObject({ code: "INTERNAL", reason: "INTERNAL", message: "internal error; the log has the cause" });
    expect(error.facts.metadata).toEqual({ request_id: "r-1" });
    expect(JSON.stringify(error.facts)).not.toContain("secret");
    expect(wire.logged).toMatchObject([
      { err: { message: "a secret" }, requestId: "r-1", method: expect.stringMatching(/^\/test\.v1\.WireService\//) },
    ]);
    await rejection(ask("bug"));
    await rejection(ask("bug"));
    const ids = wire.logged.map(({ requestId }) => requestId);
    expect(new Set(ids).size).toBe(3);
  });

  test("a caller that cancels frees the handler at once", async () => {
    const { wire, ask, service } = await start();
    await using _ = wire;
    const leave = new AbortController();
    const failure = rejection(ask("park", { signal: leave.signal }));
    await service.entered;
    leave.abort();
    expect(await failure).toMatchObject({ code: "CANCELLED", reason: "CANCELLED" });
    expect(await service.left).toMatchObject({ code: "CANCELLED", reason: "CANCELLED" });
    expect(await ask("still here")).toEqual(["still here"]);
    expect(wire.logged).toEqual([]);
  });

  test("a call whose signal has aborted before never begins, and fails with the signal's own status", async () => {
    const { wire, ask } = await start();
    await using _ = wire;
    const why = new StatusError("ABORTED", "for a reason");
    expect(await rejection(ask("fail", { signal: AbortSignal.abort(why) }))).toBe(why);
    expect(await rejection(ask("fail", { signal: AbortSignal.abort() }))).toMatchObject({ code: "CANCELLED" });
  });

  test("the deadline reaches the handler, and ends the call on both sides", async () => {
    const { wire, ask, service } = await start();
    await using _ = wire;
    const before = Date.now();
    const [told] = await ask("deadline", { deadlineMs: 60_000 });
    expect(Number(told)).toBeGreaterThan(before + 30_000);
    expect(Number(told)).toBeLessThan(Date.now() + 61_000);
    expect(await ask("deadline")).toEqual(["undefined"]);
    const failure = rejection(ask("park", { deadlineMs: 400 }));
    await service.left; // for the deadline, or because the caller's clock struck first
    expect(await failure).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(wire.logged).toEqual([]);
  });
});

test.each(Object.entries(kinds))("%s: a server ends a call at its deadline though the caller goes on waiting", async (_, call) => {
  const service = wireService();
  const wire = await serve([service.implementation]);
  await using __ = wire;
  const metadata = { "grpc-timeout": "100m" }; // as if the caller's own timer were lost
  const failure = rejection(collect(call(wire.channel.client(WireService), "park", { metadata })));
  expect(await service.left).toMatchObject({ code: "DEADLINE_EXCEEDED", reason: "DEADLINE" });
  expect(await failure).toMatchObject({ code: "DEADLINE_EXCEEDED" });
});

describe.each(transports)("streams over %s", (transport) => {
  async function start() {
    const service = wireService();
    const wire = await serve([service.implementation], { transport });
    return { service, wire, client: wire.channel.client(WireService) };
  }

  test("messages keep their number and order", async () => {
    const { wire, client } = await start();
    await using _ = wire;
    const texts = Array.from({ length: 500 }, (_, i) => `t${i}`);
    const requests = () => each(...texts.map((text) => ({ text })));
    expect((await collect(client.serverStream({ text: "x", count: 500 }))).length).toBe(500);
    expect((await client.clientStream(requests())).text).toBe(texts.join(","));
    expect((await collect(client.bidiStream(requests()))).map(({ text }) => text)).toEqual(texts);
    expect(await collect(client.serverStream({ text: "x", count: 0 }))).toEqual([]);
    expect(await collect(client.bidiStream(each()))).toEqual([]);
    expect((await client.clientStream(each())).text).toBe("");
  });

  test("breaking out of a stream of answers cancels the call", async () => {
    const { wire, client, service } = await start();
    await using _ = wire;
    async function* requests() {
      yield { text: "first" };
      yield { text: "park" };
    }
    for await (const { text } of client.bidiStream(requests())) {
      expect(text).toBe("first");
      await service.entered;
      break;
    }
    expect(await service.left).toMatchObject({ reason: "CANCELLED" });
  });

  test("messages that came before an error are delivered before it", async () => {
    const { wire, client } = await start();
    await using _ = wire;
    const got: string[] = [];
    const failure = await rejection(
      (async () => {
        for await (const { text } of client.bidiStream(each({ text: "a" }, { text: "b" }, { text: "fail" }))) got.push(text);
      })(),
    );
    expect(got).toEqual(["a", "b"]);
    expect(failure).toMatchObject({ reason: "QUEUE_FULL" });
  });

  test("a server may answer before it has read everything, and the caller's stream ends", async () => {
    const { wire, client } = await start();
    await using _ = wire;
    for (const kind of ["client", "bidi"] as const) {
      const ended = Promise.withResolvers<void>();
      async function* endless() {
        try {
          yield { text: "enough" };
          for (;;) {
            yield { text: "more" };
            await new Promise(setImmediate);
          }
        } finally {
          ended.resolve();
        }
      }
      if (kind === "client") expect((await client.clientStream(endless())).text).toBe("enough");
      else expect(await collect(client.bidiStream(endless()))).toMatchObject([{ text: "enough" }]);
      await ended.promise;
    }
  });

  test("an error of the caller's own stream cancels the call and comes back as it is", async () => {
    const { wire, client, service } = await start();
    await using _ = wire;
    const broken = new Error("no more data");
    async function* requests() {
      yield { text: "park" };
      await service.entered;
      throw broken;
    }
    expect(await rejection(client.clientStream(requests()))).toBe(broken);
    expect(await service.left).toMatchObject({ reason: "CANCELLED" });
    const second = await start();
    await using __ = second.wire;
    async function* more() {
      yield { text: "a" };
      throw broken;
    }
    expect(await rejection(collect(second.client.bidiStream(more())))).toBe(broken);
  });
});
