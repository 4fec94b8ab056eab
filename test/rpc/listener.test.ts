// Goal: every connection of a port has an end, and a crowd has a bound. Method: bare sockets, and
// a clock moved by hand.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { Listener, lingerMs, prefaceMs } from "../../src/rpc/listener.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { preface } from "../kit/http2-frames.ts";
import { until } from "../kit/until.ts";

interface Port extends AsyncDisposable {
  readonly listener: Listener;
  readonly clock: HandClock;
  /** The server's ends of the connections, in the order they were taken. */
  readonly taken: readonly Socket[];
  readonly crowded: readonly number[];
  /** Connects, and sends a preface unless `silent`. */
  dial(silent?: "silent"): Promise<Dialled>;
}

interface Dialled {
  readonly socket: Socket;
  closed: boolean;
}

async function port(connectionsMax?: number): Promise<Port> {
  const clock = new HandClock();
  const taken: Socket[] = [];
  const crowded: number[] = [];
  const dialled: Dialled[] = [];
  const listener = new Listener({
    onConnection: (socket) => {
      taken.push(socket);
      socket.resume();
    },
    onFault: (error) => {
      throw error;
    },
    connectionsMax,
    onCrowded: (max) => crowded.push(max),
    clock,
  });
  const [host, number] = (await listener.listen("127.0.0.1:0")).split(":");
  return {
    listener,
    clock,
    taken,
    crowded,
    dial: async (silent) => {
      const socket = connect({ host, port: Number(number), allowHalfOpen: true });
      const one: Dialled = { socket, closed: false };
      dialled.push(one);
      socket.on("error", () => {});
      socket.on("end", () => {
        one.closed = true;
      });
      socket.on("close", () => {
        one.closed = true;
      });
      socket.resume();
      await once(socket, "connect");
      const { length } = taken;
      if (silent === undefined) socket.write(preface);
      await until(() => one.closed || taken.some((mine) => mine.remotePort === socket.localPort));
      if (silent === undefined && !one.closed && taken.length >= length) {
        const mine = taken.find(({ remotePort }) => remotePort === socket.localPort);
        await until(() => one.closed || (mine?.bytesRead ?? 0) >= preface.length);
      }
      return one;
    },
    [Symbol.asyncDispose]: async () => {
      for (const { socket } of dialled) socket.destroy();
      const closed = listener.close();
      listener.destroyConnections();
      await closed;
    },
  };
}

describe("an end for every connection", () => {
  test("a connection that says nothing is closed after a while; one that spoke stays", async () => {
    await using at = await port();
    const silent = await at.dial("silent");
    const spoke = await at.dial();
    at.clock.pass(prefaceMs - 1);
    expect(at.listener.size).toBe(2);
    at.clock.pass(1);
    await until(() => silent.closed && at.listener.size === 1);
    expect(spoke.closed).toBe(false);
  });

  test("a connection that says nothing does not delay the close", async () => {
    await using at = await port();
    await at.dial("silent");
    await at.listener.close();
    await until(() => at.listener.size === 0);
  });

  test("a peer that does not close its side is not waited for", async () => {
    await using at = await port();
    const peer = await at.dial();
    const [mine] = at.taken;
    mine?.end();
    await until(() => peer.closed);
    expect(at.listener.size).toBe(1);
    const closed = at.listener.close();
    at.clock.pass(lingerMs);
    await closed;
    await until(() => at.listener.size === 0);
  });
});

describe("a bound of connections", () => {
  test("the connection that is idle longest goes first, one with a call stays, and it is said once", async () => {
    await using at = await port(3);
    const dialled = [await at.dial(), await at.dial(), await at.dial()];
    at.listener.begin(at.taken[0]);
    expect(at.crowded).toEqual([]);
    for (let extra = 0; extra < 10; extra++) {
      dialled.push(await at.dial());
      await until(() => dialled.filter(({ closed }) => !closed).length === 3);
      expect(at.listener.size).toBe(3);
    }
    expect(dialled.map(({ closed }) => closed)).toEqual([false, ...Array(10).fill(true), false, false]);
    expect(at.crowded).toEqual([3]);
  });

  test("while no connection is idle, new ones are refused; a call that ends makes its connection idle", async () => {
    await using at = await port(2);
    const busy = [await at.dial(), await at.dial()];
    for (const socket of at.taken) at.listener.begin(socket);
    const refused = await at.dial();
    expect([refused.closed, at.listener.size]).toEqual([true, 2]);
    at.listener.end(at.taken[1]);
    const next = await at.dial();
    await until(() => busy[1]?.closed === true);
    expect([next.closed, busy[0]?.closed, at.listener.size]).toEqual([false, false, 2]);
  });

  test("a crowd that comes again after most have gone is said again", async () => {
    await using at = await port(2);
    for (let round = 1; round <= 2; round++) {
      const dialled = [await at.dial(), await at.dial(), await at.dial()];
      expect(at.crowded.length).toBe(round);
      for (const { socket } of dialled) socket.destroy();
      await until(() => at.listener.size === 0);
    }
  });
});

test("a connection is found by its peer, until it is closed", async () => {
  await using at = await port();
  const { socket } = await at.dial();
  const peer = `${socket.localAddress}:${socket.localPort}`;
  expect(at.listener.connectionOf(peer)).toBe(at.taken[0]);
  socket.destroy();
  await until(() => at.listener.size === 0);
  expect(at.listener.connectionOf(peer)).toBeUndefined();
});
