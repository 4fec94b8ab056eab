// Goal: a server ends cleanly with calls of each kind open. The grace period is ended by hand,
// through a clock of the test's own.
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { implement, type ServiceHandlers } from "../../src/rpc/service.ts";
import { frameCaller } from "../kit/http2-frames.ts";
import { until } from "../kit/until.ts";
import { WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, manualClock, rejection, serve, transports } from "./harness.ts";
import { kinds, wireService } from "./wire-service.ts";

const table = transports.flatMap((transport) => Object.entries(kinds).map(([kind, call]) => ({ transport, kind, call })));

describe.each(table)("$kind over $transport", ({ transport, kind, call }) => {
  async function start() {
    const service = wireService();
    const clock = manualClock();
    const wire = await serve([service.implementation], { transport, clock });
    const ask = (text: string) => collect(call(wire.channel.client(WireService), text));
    return { service, clock, wire, ask };
  }

  if (kind === "unary") {
    test("a unary call in work is finished within the grace period", async () => {
      const { service, wire, ask } = await start();
      await using _ = wire;
      const answer = ask("wait");
      const { signal } = await service.entered;
      const closed = wire.server.close(60_000);
      expect(signal.aborted).toBe(false);
      service.release();
      expect(await answer).toEqual(["done"]);
      await closed;
    });
  } else {
    test("an open stream ends with the reason that the server shuts down, within the grace period", async () => {
      const { service, wire, ask } = await start();
      await using _ = wire;
      const failure = rejection(ask("park"));
      await service.entered;
      await wire.server.close(60_000); // the timer never fires: the streams must end by themselves
      expect(await service.left).toMatchObject({ reason: "SHUTTING_DOWN" });
      if (kind !== "client stream") expect(await failure).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
    });
  }

  test("a handler that does not end is answered for when the grace period is over", async () => {
    const { service, wire, clock, ask } = await start();
    await using _ = wire;
    const failure = rejection(ask("wait"));
    const { signal } = await service.entered;
    const closed = wire.server.close(60_000);
    clock.runTimers();
    expect(await failure).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN", facts: { retryAfterMs: 1_000 } });
    await closed;
    expect(signal.reason).toMatchObject({ reason: "SHUTTING_DOWN" });
    service.release(); // its late answer goes nowhere, and does no harm
  });

  test("a closed server takes no new call", async () => {
    const { wire, ask } = await start();
    await using _ = wire;
    await ask("hello");
    await wire.server.close(0);
    expect(await rejection(ask("hello"))).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("a call that comes while the server shuts down is refused, and does not reach the handler", async () => {
    const { service, wire, clock, ask } = await start();
    await using _ = wire;
    const first = rejection(ask("wait"));
    await service.entered;
    const closed = wire.server.close(60_000);
    expect(await rejection(ask("bug"))).toMatchObject({ code: "UNAVAILABLE" });
    expect(wire.logged).toEqual([]);
    clock.runTimers();
    await first;
    await closed;
  });
});

describe("a handler that waits for the caller's next request", () => {
  async function start() {
    const over = Promise.withResolvers<unknown>();
    const waiting = implement(WireService, {
      ...(wireService().implementation.handlers as unknown as ServiceHandlers<typeof WireService>),
      async *bidiStream(requests) {
        try {
          for await (const { text } of requests) yield { text };
          over.resolve("the requests ended");
        } catch (error) {
          over.resolve(error);
          throw error;
        }
      },
    });
    const wire = await serve([waiting], { clock: manualClock() });
    async function* endless() {
      yield { text: "first" };
      await new Promise(() => {});
    }
    const answers = wire.channel.client(WireService).bidiStream(endless())[Symbol.asyncIterator]();
    expect((await answers.next()).value).toMatchObject({ text: "first" });
    return { wire, answers, over: over.promise };
  }

  test("ends when the server shuts down", async () => {
    const { wire, answers, over } = await start();
    await using _ = wire;
    const failure = rejection(answers.next());
    await wire.server.close(60_000);
    expect(await over).toMatchObject({ reason: "SHUTTING_DOWN" });
    expect(await failure).toMatchObject({ reason: "SHUTTING_DOWN" });
  });

  test("ends when the caller leaves, and can distinguish that from the end of the requests", async () => {
    const { wire, answers, over } = await start();
    await using _ = wire;
    await answers.return?.();
    expect(await over).toMatchObject({ reason: "CANCELLED" });
  });
});

test("closing twice is closing once", async () => {
  const wire = await serve([wireService().implementation]);
  await using _ = wire;
  expect(wire.server.close(0)).toBe(wire.server.close(0));
  await wire.server.close(0);
});

test("a server that never listened can be closed", async () => {
  const wire = await serve([wireService().implementation]);
  await using _ = wire;
  await wire.server.close(1000);
});

describe("connections that do not close by themselves", () => {
  test("a connection that says nothing does not delay the close", async () => {
    const wire = await serve([wireService().implementation], { transport: "tcp", clock: manualClock() });
    await using _ = wire;
    const [host, port] = wire.address.split(":");
    const silent = connect({ host, port: Number(port) });
    await once(silent, "connect");
    expect((await wire.channel.client(WireService).unary({ text: "a" })).text).toBe("a");
    wire.channel.close();
    await wire.server.close(60_000); // no timer fires
    silent.destroy();
  });

  test("nor does a peer that spoke and does not close its side, whatever the grace period", async () => {
    const clock = manualClock();
    const wire = await serve([wireService().implementation], { transport: "tcp", clock });
    await using _ = wire;
    wire.channel.close();
    const peer = await frameCaller(wire.address);
    await until(() => peer.frames.length >= 2);
    peer.socket.pause();
    let over = false;
    const closed = wire.server.close(60_000).then(() => {
      over = true;
    });
    await until(() => {
      clock.runTimers();
      return over;
    });
    await closed;
    peer.socket.destroy();
  });
});
