// Goal: metadata passes as it is, both ways, and metadata that cannot pass fails its own call alone.
// Method: programs and callers send what no library sends, next to a caller that does nothing wrong.
import { describe, expect, test } from "vitest";
import { encodeFrame, flag, frameCaller, frameServer, frameType, headerFrames, resetFrame } from "../kit/http2-frames.ts";
import { answer, endpoint, frame, house, rawReplica } from "./harness.ts";

const path = "/test.Echo/Any";
/** Names of which node:http2 takes one value, unless it is told otherwise. */
const single = ["location", "etag", "date", "retry-after", "authorization", "age", "expires", "from", "referer", "user-agent", "server"];

/** The values of a name, in order, in a raw list of names and values. */
const valuesOf = (raw: readonly string[], name: string): readonly string[] =>
  raw.flatMap((one, index) => (index % 2 === 0 && one === name ? [raw[index + 1] as string] : []));

const pairsOf = (count: number, value = "v") => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]));

test("values with blanks at their ends, and empty ones, pass as they are, both ways", async () => {
  await using at = await house();
  const values = [" a", "b ", "", " "];
  const seen: (readonly string[])[] = [];
  await using replica = await rawReplica((stream, _headers, raw) => {
    seen.push(valuesOf(raw, "x-tag"));
    answer(stream, frame("ok"), { "grpc-status": "0", "x-tag": values });
  });
  at.routes.set("d", [endpoint("r", replica.address)]);
  const got = await at.caller.call(path, { "x-tag": values });
  expect([seen, valuesOf(got.rawTrailers, "x-tag")]).toEqual([[values], values]);
});

describe("to the replica", () => {
  test.each([...single, "x-tag", "constructor", "__proto__", "tostring"])("two values of %s arrive as two, in order", async (name) => {
    await using at = await house();
    const seen: (readonly string[])[] = [];
    await using replica = await rawReplica((stream, _headers, raw) => {
      seen.push(valuesOf(raw, name));
      answer(stream);
    });
    at.routes.set("d", [endpoint("r", replica.address)]);
    const headers = Object.create(null, { [name]: { value: ["b", "a"], enumerable: true } });
    expect((await at.caller.call(path, headers)).status).toBe(0);
    expect(seen).toEqual([["b", "a"]]);
  });

  test("1,000 pairs pass; more are RESOURCE_EXHAUSTED on that call, and the connection goes on", async () => {
    await using at = await house();
    const seen: number[] = [];
    await using replica = await rawReplica((stream, _headers, raw) => {
      seen.push(raw.filter((name, index) => index % 2 === 0 && /^k\d/.test(name)).length);
      answer(stream);
    });
    at.routes.set("d", [endpoint("r", replica.address)]);
    // HTTP/2 and gRPC have seven of their own.
    expect((await at.caller.call(path, pairsOf(990))).status).toBe(0);
    const [much, fine] = await Promise.all([at.caller.call(path, pairsOf(1_100)), at.caller.call(path)]);
    expect(much).toMatchObject({ status: 8, reason: "METADATA_TOO_LARGE" });
    expect([fine.status, at.caller.session.closed]).toEqual([0, false]);
    expect(seen).toEqual([990, 0]);
  });

  test("60 KB pass; more are RESOURCE_EXHAUSTED on that call, and the connection goes on", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream) => answer(stream));
    at.routes.set("d", [endpoint("r", replica.address)]);
    expect((await at.caller.call(path, { big: "~".repeat(60_000) })).status).toBe(0);
    const much = at.caller.call(path, { big: "~".repeat(40_000), bigger: "~".repeat(40_000) });
    const fine = at.caller.call(path);
    expect(await much).toMatchObject({ status: 8, reason: "METADATA_TOO_LARGE" });
    expect([(await fine).status, at.caller.session.closed]).toEqual([0, false]);
  });

  test.each([70_000, 100_000, 200_000])(
    "one value of %i bytes is RESOURCE_EXHAUSTED on that call, and the connection goes on",
    async (bytes) => {
      await using at = await house();
      await using replica = await rawReplica((stream) => answer(stream));
      at.routes.set("d", [endpoint("r", replica.address)]);
      for (let round = 0; round < 3; round++) {
        // The values that were sent before fill the table of both sides.
        expect((await at.caller.call(path, { "x-kept": `before ${round}` })).status).toBe(0);
        const much = at.caller.call(path, { "x-kept": `with ${round}`, big: "~".repeat(bytes), "x-last": "y" });
        const fine = at.caller.call(path, { "x-kept": `next to it ${round}` });
        expect(await much).toMatchObject({ status: 8, reason: "METADATA_TOO_LARGE" });
        expect([(await fine).status, at.caller.session.closed]).toEqual([0, false]);
      }
      expect(replica.calls).toBe(6);
    },
  );

  test("what the replica itself refuses as too much is RESOURCE_EXHAUSTED", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream, headers) => {
      if (headers["x-much"] === undefined) answer(stream);
      else stream.close(11); // as node:http2 does for more pairs than it takes
    });
    at.routes.set("d", [endpoint("r", replica.address)]);
    const [much, fine] = await Promise.all([at.caller.call(path, { "x-much": "yes" }), at.caller.call(path)]);
    expect(much).toMatchObject({ status: 8, reason: "METADATA_TOO_LARGE" });
    expect([fine.status, at.gateway.ongoing("r")]).toEqual([0, 0]);
  });

  test("a header that HTTP/2 keeps for connections is INVALID_ARGUMENT, by its name", async () => {
    await using at = await house();
    await using replica = await frameServer(() => {});
    at.routes.set("d", [endpoint("r", replica.address)]);
    const caller = await frameCaller(at.address);
    const request = [":method", "POST", ":scheme", "http", ":path", path, ":authority", "a", "content-type", "application/grpc"];
    const pairs = request.flatMap((name, index) => (index % 2 === 0 ? [[name, request[index + 1] as string] as const] : []));
    caller.write(
      headerFrames(1, [...pairs, ["http2-settings", "AAMAAABkAAQAAP__"]], false),
      encodeFrame(frameType.data, flag.endStream, 1, frame("x")),
    );
    await expect.poll(() => caller.frames.some(({ type, stream }) => type === frameType.headers && stream === 1)).toBe(true);
    expect([replica.peers.length, caller.closed]).toEqual([0, false]);
    caller.socket.destroy();
  });
});

describe("from the replica", () => {
  test.each([...single, "x-tag", "constructor", "__proto__", "set-cookie"])(
    "two values of %s arrive as two, in headers and trailers",
    async (name) => {
      await using at = await house();
      const twice = [
        [name, "b"],
        [name, "a"],
      ] as const;
      await using replica = await frameServer((peer, stream) => {
        peer.write(
          headerFrames(stream, [[":status", "200"], ["content-type", "application/grpc"], ...twice], false),
          encodeFrame(frameType.data, 0, stream, frame("ok")),
          headerFrames(stream, [["grpc-status", "0"], ...twice], true),
        );
      });
      at.routes.set("d", [endpoint("r", replica.address)]);
      const got = await at.caller.call(path);
      expect([got.status, got.body]).toEqual([0, frame("ok")]);
      expect(valuesOf(got.rawHeaders, name)).toEqual(["b", "a"]);
      expect(valuesOf(got.rawTrailers, name)).toEqual(["b", "a"]);
      expect(at.gateway.ongoing("r")).toBe(0);
    },
  );

  const status = [":status", "200"] as const;
  const type = ["content-type", "application/grpc"] as const;
  const ok = ["grpc-status", "0"] as const;
  const refused = ["http2-settings", "x"] as const;
  const many = Array.from({ length: 1_001 }, (_, index) => [`k${index}`, "v"] as const);
  test.each([
    ["headers", 70_000],
    ["headers", 200_000],
    ["trailers", 70_000],
    ["trailers", 200_000],
  ] as const)("%s with one value of %i bytes fail their call alone: others on the connection go on", async (place, bytes) => {
    await using at = await house();
    const big = ["big", "~".repeat(bytes)] as const;
    const waiting: (() => void)[] = [];
    await using replica = await frameServer((peer, stream) => {
      const end = () => peer.write(headerFrames(stream, [ok], true));
      const much = stream > 1 && waiting.length === 1;
      peer.write(headerFrames(stream, [status, type, ...(much && place === "headers" ? [big] : [])], false));
      peer.write(encodeFrame(frameType.data, 0, stream, frame("ok")));
      if (much) peer.write(headerFrames(stream, [ok, ...(place === "trailers" ? [big] : [])], true));
      else waiting.push(end);
    });
    at.routes.set("d", [endpoint("r", replica.address)]);
    const before = at.caller.call(path);
    await expect.poll(() => waiting.length).toBe(1);
    expect(await at.caller.call(path)).toMatchObject({ status: 8, reason: "METADATA_TOO_LARGE" });
    waiting[0]?.();
    expect([(await before).status, replica.peers.length, at.gateway.ongoing("r")]).toEqual([0, 1, 0]);
  });

  test.each([
    ["headers that HTTP/2 does not allow", [status, type, refused], [ok], 13, "PROGRAM_ERROR"],
    ["trailers that HTTP/2 does not allow", [status, type], [ok, refused], 13, "PROGRAM_ERROR"],
    ["too many headers", [status, type, ...many], [ok], 8, "METADATA_TOO_LARGE"],
    ["too many trailers", [status, type], [ok, ...many], 8, "METADATA_TOO_LARGE"],
  ] as const)("%s fail that call alone, and its place is given back", async (_, headers, trailers, code, reason) => {
    await using at = await house();
    let calls = 0;
    await using replica = await frameServer((peer, stream) => {
      const bad = ++calls === 1;
      peer.write(
        headerFrames(stream, bad ? headers : [status, type], false),
        encodeFrame(frameType.data, 0, stream, frame("ok")),
        headerFrames(stream, bad ? trailers : [ok], true),
      );
    });
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
    expect(await at.caller.call(path)).toMatchObject({ status: code, reason });
    expect(at.gateway.ongoing("r")).toBe(0);
    expect((await at.caller.call(path)).status).toBe(0);
    expect(at.gateway.ongoing("r")).toBe(0);
  });

  test("a response that is all headers, and not allowed, fails that call alone", async () => {
    await using at = await house();
    let calls = 0;
    await using replica = await frameServer((peer, stream) =>
      peer.write(headerFrames(stream, [status, type, ["grpc-status", "5"], ...(++calls === 1 ? [refused] : [])], true)),
    );
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
    expect(await at.caller.call(path)).toMatchObject({ status: 13, reason: "PROGRAM_ERROR" });
    expect((await at.caller.call(path)).status).toBe(5);
  });
});

describe("frames in any order", () => {
  /** What a replica may send for a call, in any order. */
  const moves = {
    headers: (stream: number) =>
      headerFrames(
        stream,
        [
          [":status", "200"],
          ["content-type", "application/grpc"],
        ],
        false,
      ),
    informational: (stream: number) => headerFrames(stream, [[":status", "103"]], false),
    data: (stream: number) => encodeFrame(frameType.data, 0, stream, frame("x")),
    end: (stream: number) => encodeFrame(frameType.data, flag.endStream, stream),
    trailers: (stream: number) => headerFrames(stream, [["grpc-status", "0"]], true),
    bad: (stream: number) =>
      headerFrames(
        stream,
        [
          ["grpc-status", "0"],
          ["connection", "close"],
        ],
        true,
      ),
    reset: (stream: number) => resetFrame(stream, 2),
    refuse: (stream: number) => resetFrame(stream, 7),
  } as const;
  const names = Object.keys(moves) as (keyof typeof moves)[];
  const orders = names.flatMap((one) => names.flatMap((two) => names.map((three) => [one, two, three] as const)));

  test(`each of ${orders.length} orders ends its call once, and frees its place`, async () => {
    await using at = await house();
    let order: (typeof orders)[number] | undefined;
    await using replica = await frameServer((peer, stream) => {
      const now = order ?? (["headers", "data", "trailers"] as const);
      order = undefined; // a call that is sent again is served
      peer.write(...now.map((name) => moves[name](stream)));
      if (!now.some((name) => ["end", "trailers", "bad", "reset", "refuse"].includes(name))) peer.write(resetFrame(stream, 2));
    });
    const taken: string[] = [];
    for (const [index, one] of orders.entries()) {
      order = one;
      // A replica rests after it was lost: each order has one of its own.
      at.routes.set("d", [endpoint(`r${index}`, replica.address)]);
      await at.caller.call(path); // it ends, with whatever status
      if (at.gateway.ongoing(`r${index}`) !== 0) taken.push(one.join(" "));
    }
    expect(taken).toEqual([]);
    order = undefined;
    expect((await at.caller.call(path)).status).toBe(0);
  });
});

test("an observer that throws fails its own call, wherever the call is, and frees its place", async () => {
  const steps = ["queued", "given", "answered"] as const;
  let breaking: (typeof steps)[number] | undefined;
  const breakAt = (step: (typeof steps)[number]) => () => {
    if (breaking !== step) return;
    breaking = undefined;
    throw new Error("planted");
  };
  const observer = {
    admitted: () => {},
    givenBack: () => {},
    ended: () => {},
    queued: breakAt("queued"),
    given: breakAt("given"),
    answered: breakAt("answered"),
  };
  await using at = await house(undefined, { observer });
  await using replica = await rawReplica((stream) => setImmediate(() => answer(stream)));
  at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
  for (const step of steps) {
    breaking = step;
    const both = await Promise.all([at.caller.call(path), at.caller.call(path)]);
    expect([step, breaking, both.filter(({ status }) => status === 0).length]).toEqual([step, undefined, 1]);
    expect([at.gateway.ongoing("r"), at.gateway.queued("d")]).toEqual([0, 0]);
  }
});
