// Goal: every wire of the gateway keeps what `gateway/sides.ts` promises, so that a call can rely
// on it whatever moves its bytes. Method: the caller's side of one wire and the replica's side of
// another face each other on a real connection.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import type {
  CallerEvents,
  CallerServer,
  CallerSide,
  Fate,
  HeaderFields,
  ReplicaConnection,
  ReplicaEvents,
  ReplicaSide,
  Wire,
} from "../../src/gateway/sides.ts";
import { http2Wire } from "../../src/gateway/wire/http2-wire.ts";
import { until } from "../kit/until.ts";

const wires: Readonly<Record<string, Wire>> = { "node:http2": http2Wire };

const requestHeaders: HeaderFields = {
  ":method": "POST",
  ":path": "/test.Echo/Any",
  "content-type": "application/grpc",
  te: "trailers",
  "x-name": "a",
};
const responseHeaders: HeaderFields = { ":status": "200", "content-type": "application/grpc" };
const chunk = Buffer.alloc(64 * 1024, "0123456789abcdef");
/** More than the windows and buffers on the way hold. */
const chunksMany = 512;
const resetCancel = 8;
const resetRefused = 7;
const resetTooMuch = 11;
const resetInternal = 2;

/** What came from a caller. */
class FromCaller implements CallerEvents {
  readonly side: CallerSide;
  readonly hash = createHash("sha1");
  bytes = 0;
  ended = false;
  ready = 0;
  gone = false;

  constructor(side: CallerSide) {
    this.side = side;
    side.attach(this);
  }

  requestData(data: Buffer): void {
    this.bytes += data.length;
    this.hash.update(data);
  }

  requestEnd(): void {
    this.ended = true;
  }

  callerReady(): void {
    this.ready++;
  }

  callerGone(): void {
    this.gone = true;
  }
}

/** What came from a replica. */
class FromReplica implements ReplicaEvents {
  readonly hash = createHash("sha1");
  readonly events: string[] = [];
  headers: HeaderFields | undefined;
  whole: boolean | undefined;
  bytes = 0;
  trailers: HeaderFields | undefined;
  ended = false;
  ready = 0;
  gone: { readonly fate: Fate; readonly code: number } | undefined;

  response(headers: HeaderFields, whole: boolean): void {
    this.events.push("response");
    this.headers = headers;
    this.whole = whole;
  }

  responseData(data: Buffer): void {
    this.events.push("data");
    this.bytes += data.length;
    this.hash.update(data);
  }

  responseTrailers(trailers: HeaderFields): void {
    this.events.push("trailers");
    this.trailers = trailers;
  }

  responseEnd(): void {
    this.events.push("end");
    this.ended = true;
  }

  replicaReady(): void {
    this.ready++;
  }

  replicaGone(fate: Fate, code: number): void {
    this.events.push("gone");
    this.gone = { fate, code };
  }
}

/** A server and a connection to it. */
interface Pair extends AsyncDisposable {
  readonly server: CallerServer;
  readonly connection: ReplicaConnection;
  readonly address: string;
  readonly callers: readonly FromCaller[];
  readonly lost: number;
  /** Opens a call and waits until it has arrived. */
  open(headers?: HeaderFields): Promise<{ readonly replica: ReplicaSide; readonly got: FromReplica; readonly caller: FromCaller }>;
}

/** A line between two addresses that can be cut. */
interface BreakableLine extends AsyncDisposable {
  /** Starts to pass on bytes; returns the address to connect to. */
  to(address: string): string;
  break(): void;
}

async function breakableLine(): Promise<BreakableLine> {
  const sockets: Socket[] = [];
  let target = "";
  const server = createServer({ noDelay: true }, (near) => {
    const [host, port] = target.split(":");
    const far = connect({ host, port: Number(port) });
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on("error", () => {});
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    to: (address) => {
      target = address;
      return `127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    break: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

async function pairOf(serving: Wire, connecting: Wire, line?: BreakableLine): Promise<Pair> {
  const callers: FromCaller[] = [];
  const server = serving.serve({
    onCall: (side) => callers.push(new FromCaller(side)),
    onCallerFault: () => {},
    onServerFault: (error) => {
      throw error;
    },
    clock: realClock,
  });
  const address = await server.listen("127.0.0.1:0");
  let lost = 0;
  const connection = connecting.connect(line === undefined ? address : line.to(address), () => lost++);
  return {
    server,
    connection,
    address,
    callers,
    get lost() {
      return lost;
    },
    open: async (headers = { ...requestHeaders }) => {
      const index = callers.length;
      const got = new FromReplica();
      const replica = connection.open(headers, got);
      await until(() => callers.length > index);
      return { replica, got, caller: callers[index] as FromCaller };
    },
    [Symbol.asyncDispose]: async () => {
      await connection.close();
      const closed = server.close();
      server.destroyConnections();
      await closed;
    },
  };
}

/** Resolves when `count` has not grown for many turns of the event loop. */
async function still(count: () => number): Promise<number> {
  let before = -1;
  while (before !== count()) {
    before = count();
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  return before;
}

/**
 * Writes, each time that `ready` grows, until it grows no more because windows and buffers are
 * full; returns the number of chunks.
 */
async function writeUntilStuck(write: (data: Buffer) => boolean, ready: () => number): Promise<number> {
  let written = 0;
  while (written < chunksMany) {
    const before = ready();
    do written++;
    while (write(chunk) && written < chunksMany);
    if ((await still(ready)) === before) break;
  }
  return written;
}

const digest = (chunks: number): string => {
  const hash = createHash("sha1");
  for (let index = 0; index < chunks; index++) hash.update(chunk);
  return hash.digest("hex");
};

const pairs = Object.keys(wires).flatMap((serving) => Object.keys(wires).map((connecting) => [serving, connecting] as const));

describe.each(pairs)("callers by %s, replicas by %s", (servingName, connectingName) => {
  const pair = (line?: BreakableLine) => pairOf(wires[servingName] as Wire, wires[connectingName] as Wire, line);

  test("headers arrive as they were sent; values of one name stay apart, both ways", async () => {
    await using at = await pair();
    const { got, caller } = await at.open({ ...requestHeaders, "x-two": ["a", "b, c"], location: ["a", "b"], constructor: "x" });
    expect(caller.side.headers).toMatchObject({ ...requestHeaders, "x-two": ["a", "b, c"], location: ["a", "b"], constructor: "x" });
    caller.side.respond({ ...responseHeaders, "x-three": ["1", "2", "3"] }, false);
    await until(() => got.headers !== undefined);
    expect(got.headers).toMatchObject({ ...responseHeaders, "x-three": ["1", "2", "3"] });
    expect([got.whole, got.headers?.date]).toEqual([false, undefined]);
  });

  test("bytes arrive unchanged and in order, with the end behind them, both ways", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    caller.side.resume();
    for (let index = 0; index < 100; index++) replica.write(chunk);
    replica.end();
    await until(() => caller.ended);
    expect(caller.hash.digest("hex")).toBe(digest(100));
    caller.side.respond({ ...responseHeaders }, false);
    await until(() => got.headers !== undefined);
    replica.resume();
    for (let index = 0; index < 100; index++) caller.side.write(chunk);
    caller.side.end({ "grpc-status": "0", "x-end": ["3", "4"] });
    await until(() => got.ended);
    expect(got.hash.digest("hex")).toBe(digest(100));
    expect(got.trailers).toMatchObject({ "grpc-status": "0", "x-end": ["3", "4"] });
    expect(got.events.filter((event) => event !== "data")).toEqual(["response", "trailers", "end"]);
    await until(() => caller.gone);
    expect(got.gone).toBeUndefined();
  });

  test("no event comes within open", async () => {
    await using at = await pair();
    const got = new FromReplica();
    at.connection.open({ ...requestHeaders }, got);
    expect(got.events).toEqual([]);
    await until(() => at.callers.length === 1);
  });

  test("before resume, and while paused, no request bytes come, and the sender is held back", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    const written = await writeUntilStuck(
      (data) => replica.write(data),
      () => got.ready,
    );
    expect(written).toBeLessThan(chunksMany);
    expect(caller.bytes).toBe(0);
    const { ready } = got;
    caller.side.resume();
    await until(() => got.ready > ready && caller.bytes === written * chunk.length);
    caller.side.pause();
    replica.write(chunk);
    expect(await still(() => caller.bytes)).toBe(written * chunk.length);
    caller.side.resume();
    await until(() => caller.bytes === (written + 1) * chunk.length);
  });

  test("the end of a request without bytes comes after the first resume, also if it arrived long before", async () => {
    await using at = await pair();
    const { replica, caller } = await at.open();
    replica.end();
    let turns = 0;
    await still(() => Math.min(++turns, 100));
    expect(caller.ended).toBe(false);
    caller.side.resume();
    await until(() => caller.ended);
  });

  test("before resume, and while paused, no response bytes come, and the sender is held back", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    caller.side.respond({ ...responseHeaders }, false);
    await until(() => got.headers !== undefined);
    const written = await writeUntilStuck(
      (data) => caller.side.write(data),
      () => caller.ready,
    );
    expect(written).toBeLessThan(chunksMany);
    expect(got.bytes).toBe(0);
    const { ready } = caller;
    replica.resume();
    await until(() => caller.ready > ready && got.bytes === written * chunk.length);
    replica.pause();
    caller.side.write(chunk);
    expect(await still(() => got.bytes)).toBe(written * chunk.length);
    replica.resume();
    await until(() => got.bytes === (written + 1) * chunk.length);
  });

  test("a response that is all in its headers ends the call, although the request has not ended", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    replica.write(chunk);
    caller.side.respond({ ...responseHeaders, "grpc-status": "5" }, true);
    await until(() => got.headers !== undefined);
    expect([got.whole, got.headers?.["grpc-status"]]).toEqual([true, "5"]);
    replica.letGo();
    await until(() => caller.gone);
    expect([caller.ended, got.events]).toEqual([false, ["response"]]);
  });

  test("a response with bytes ends the call, although the request has not ended", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    caller.side.respond({ ...responseHeaders }, false);
    caller.side.write(chunk);
    caller.side.end({ "grpc-status": "0" });
    await until(() => got.headers !== undefined);
    replica.resume();
    await until(() => got.ended);
    replica.letGo();
    await until(() => caller.gone);
    expect([got.bytes, got.trailers?.["grpc-status"], caller.ended]).toEqual([chunk.length, "0", false]);
  });

  test("a reset arrives with its code; REFUSED_STREAM says that nothing was done", async () => {
    await using at = await pair();
    const one = await at.open();
    one.caller.side.reset(resetTooMuch);
    await until(() => one.got.gone !== undefined);
    expect(one.got.gone).toEqual({ fate: "reset", code: resetTooMuch });
    const two = await at.open();
    two.caller.side.reset(resetRefused);
    await until(() => two.got.gone !== undefined);
    expect(two.got.gone?.fate).toBe("refused");
    const three = await at.open();
    three.caller.side.respond({ ...responseHeaders }, false);
    await until(() => three.got.headers !== undefined);
    three.replica.resume();
    three.caller.side.write(chunk);
    await until(() => three.got.bytes === chunk.length);
    three.caller.side.reset(resetCancel);
    await until(() => three.got.gone !== undefined);
    expect([three.got.gone, three.got.ended]).toEqual([{ fate: "reset", code: resetCancel }, false]);
  });

  test("a replica that is let go sees the call cancelled, and is not heard any more", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    replica.write(chunk);
    caller.side.resume();
    await until(() => caller.bytes > 0);
    replica.letGo();
    caller.side.respond({ ...responseHeaders }, false);
    await until(() => caller.gone);
    // Nothing that is done to a caller that left has an effect, or throws.
    caller.side.respond({ ...responseHeaders }, true);
    caller.side.write(chunk);
    caller.side.end({});
    caller.side.reset(resetCancel);
    caller.side.respondPlainly(400, "");
    const other = await at.open();
    other.caller.side.respond({ ...responseHeaders }, true);
    await until(() => other.got.whole === true);
    expect(got.events).toEqual([]);
  });

  test("plain HTTP is answered with its status and text", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open({ ":method": "GET", ":path": "/" });
    caller.side.respondPlainly(405, "no");
    await until(() => got.headers !== undefined);
    replica.resume();
    await until(() => got.ended);
    expect([got.headers?.[":status"], got.bytes]).toEqual(["405", 2]);
  });

  test("headers that HTTP/2 does not allow are refused by open", async () => {
    await using at = await pair();
    expect(() => at.connection.open({ ...requestHeaders, "not a name": "x" }, new FromReplica())).toThrow();
    const { caller } = await at.open();
    expect(caller.side.headers["x-name"]).toBe("a");
  });

  test("a response that HTTP/2 does not allow is refused by respond, and another can be sent", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    for (const bad of [{ "not a name": "x" }, { connection: "close" }, { ":path": "/" }]) {
      expect(() => caller.side.respond({ ...responseHeaders, ...bad }, false)).toThrow();
    }
    caller.side.respond({ ...responseHeaders, "grpc-status": "13" }, true);
    await until(() => got.headers !== undefined);
    expect([got.whole, got.headers?.["grpc-status"]]).toEqual([true, "13"]);
    replica.letGo();
  });

  test("trailers that HTTP/2 does not allow reset their call, and no other", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    caller.side.respond({ ...responseHeaders }, false);
    await until(() => got.headers !== undefined);
    replica.resume();
    caller.side.end({ "grpc-status": "0", "http2-settings": "x" });
    await until(() => got.gone !== undefined);
    expect(got.gone).toEqual({ fate: "reset", code: resetInternal });
    const other = await at.open();
    other.caller.side.respond({ ...responseHeaders }, true);
    await until(() => other.got.whole === true);
  });

  test("a replica that is not there is unreached", async () => {
    let lost = 0;
    const connection = (wires[connectingName] as Wire).connect("unix:/nowhere/at/all.sock", () => lost++);
    const got = new FromReplica();
    connection.open({ ...requestHeaders }, got);
    await until(() => got.gone !== undefined);
    await connection.ended;
    expect([got.gone?.fate, connection.usable, lost]).toEqual(["unreached", false, 0]);
  });

  test("a connection that breaks loses its calls at both ends, and says so once", async () => {
    await using breakable = await breakableLine();
    await using at = await pair(breakable);
    const one = await at.open();
    one.caller.side.resume();
    const two = await at.open();
    two.caller.side.respond({ ...responseHeaders }, false);
    await until(() => two.got.headers !== undefined);
    two.replica.resume();
    breakable.break();
    await at.connection.ended;
    await until(() => one.caller.gone && two.caller.gone);
    expect([one.got.gone?.fate, two.got.gone?.fate]).toEqual(["lost", "lost"]);
    expect([one.caller.ended, two.got.ended]).toEqual([false, false]);
    expect([at.connection.usable, at.lost]).toEqual([false, 1]);
  });

  test("a server that destroys its connections ends all calls", async () => {
    await using at = await pair();
    const { got, caller } = await at.open();
    at.server.destroyConnections();
    await at.connection.ended;
    await until(() => caller.gone);
    expect([got.gone === undefined, got.ended, at.connection.usable]).toEqual([false, false, false]);
  });

  test("a connection that retires ends with its last call, and is not lost", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    replica.end();
    at.connection.retire();
    expect(at.connection.usable).toBe(false);
    caller.side.resume();
    await until(() => caller.ended);
    caller.side.respond({ ...responseHeaders, "grpc-status": "0" }, true);
    await until(() => got.whole === true);
    replica.letGo();
    await at.connection.ended;
    expect(at.lost).toBe(0);
  });

  test("a server that closes lets its calls end, and takes no others", async () => {
    await using at = await pair();
    const { replica, got, caller } = await at.open();
    caller.side.resume();
    replica.end();
    const closed = at.server.close();
    const late = (wires[connectingName] as Wire).connect(at.address, () => {});
    const refused = new FromReplica();
    late.open({ ...requestHeaders }, refused);
    await until(() => refused.gone !== undefined);
    expect(refused.gone?.fate).toBe("unreached");
    await until(() => caller.ended);
    caller.side.respond({ ...responseHeaders, "grpc-status": "0" }, true);
    await until(() => got.whole === true);
    replica.letGo();
    await closed;
    await late.close();
    expect(at.callers.length).toBe(1);
  });

  test("an address that is taken is refused by listen", async () => {
    await using at = await pair();
    const other = (wires[servingName] as Wire).serve({
      onCall: () => {},
      onCallerFault: () => {},
      onServerFault: () => {},
      clock: realClock,
    });
    await expect(other.listen(at.address)).rejects.toThrow();
    await other.close();
  });
});
