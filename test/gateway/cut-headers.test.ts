// Goal: bytes of a connection pass unchanged, however they are cut into pieces, unless a header block
// is too large for nghttp2.
import { once } from "node:events";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, connect, createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { BlockCutter, CutHeaders, cutStrings } from "../../src/gateway/wire/cut-headers.ts";
import { encodeFrame, flag, frameType, headerBlock, headerFrames, preface, settingsFrame } from "../kit/http2-frames.ts";
import { withoutUncaught } from "../kit/raw-peers.ts";

const pairs = (count: number, value: string) => Array.from({ length: count }, (_, index) => [`k${index}`, value] as const);
const ordinary = Buffer.concat([
  preface,
  settingsFrame([[4, 1 << 20]]),
  headerFrames(1, pairs(3, "v"), false),
  encodeFrame(frameType.data, 0, 1, Buffer.alloc(16_384, "d")),
  headerFrames(3, pairs(40, "v".repeat(1_000)), true), // in several frames, and small enough
  encodeFrame(frameType.data, flag.endStream, 1),
]);

const through = (bytes: Buffer, pieceBytes: number): Buffer => {
  const cutter = new BlockCutter("caller");
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) out.push(...cutter.push(bytes.subarray(at, at + pieceBytes)));
  return Buffer.concat(out);
};

describe("bytes of a connection", () => {
  test.each([1, 7, 9, 1_000, 16_384, 1_000_000])("pass unchanged in pieces of %i bytes", (pieceBytes) => {
    expect(through(ordinary, pieceBytes).equals(ordinary)).toBe(true);
  });

  test("a block that is too large is cut, and what is around it passes unchanged", () => {
    const large = headerFrames(
      5,
      [
        ["a", "1"],
        ["big", "~".repeat(100_000)],
        ["z", "2"],
      ],
      true,
    );
    const after = encodeFrame(frameType.data, flag.endStream, 5);
    for (const pieceBytes of [1_000, 1_000_000]) {
      const got = through(Buffer.concat([ordinary, large, after]), pieceBytes);
      expect(got.subarray(0, ordinary.length).equals(ordinary)).toBe(true);
      expect(got.subarray(-after.length).equals(after)).toBe(true);
      expect(got.includes("~~")).toBe(false);
    }
  });

  test("what is no frame, and a block beyond all bounds, pass for nghttp2 to refuse", () => {
    const noise = Buffer.concat([preface, Buffer.alloc(100_000, 0xff)]);
    expect(through(noise, 500).equals(noise)).toBe(true);
    const endless = Buffer.concat([preface, headerFrames(1, pairs(30, "v".repeat(20_000)), true)]);
    expect(through(endless, 4_000).equals(endless)).toBe(true);
  });
});

test("a block that is not continued passes in its place, for nghttp2 to refuse", () => {
  const opened = encodeFrame(frameType.headers, 0, 1, headerBlock([["a", "b"]]));
  const strayed = encodeFrame(frameType.continuation, flag.endHeaders, 3, headerBlock([["c", "d"]]));
  const other = encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8));
  for (const bytes of [Buffer.concat([preface, opened, other, opened]), Buffer.concat([preface, opened, strayed, other])]) {
    for (const pieceBytes of [5, 1_000]) expect(through(Buffer.concat([bytes, other]), pieceBytes)).toEqual(Buffer.concat([bytes, other]));
  }
});

describe("a header block", () => {
  test("that nghttp2 takes is left alone", () => {
    expect(cutStrings(headerBlock(pairs(3, "v".repeat(20_000))))).toBeUndefined();
    expect(cutStrings(Buffer.alloc(0))).toBeUndefined();
  });

  test("that is malformed is left alone", () => {
    const cut = headerBlock([["big", "~".repeat(100_000)]]).subarray(0, 50_000);
    expect(cutStrings(cut)).toBeUndefined();
  });

  test("that is cut names more bytes than a call may have, and keeps its short pairs", () => {
    const cut = cutStrings(
      headerBlock([
        ["a", "one"],
        ["big", "~".repeat(100_000)],
        ["b", "two"],
      ]),
    );
    expect([cut?.includes("one"), cut?.includes("two"), cut?.includes("x".repeat(65_536))]).toEqual([true, true, true]);
    expect(cut?.length).toBeLessThan(70_000);
  });
});

test("a session may be destroyed in any turn after its peer has ended: nothing is thrown", async () => {
  const turns = (count: number) =>
    Array.from({ length: count }).reduce<Promise<void>>(
      (before, _, index) => before.then(() => new Promise((next) => (index % 2 === 0 ? process.nextTick(next) : setImmediate(next)))),
      Promise.resolve(),
    );
  await withoutUncaught(async () => {
    for (let count = 0; count < 12; count++) {
      const sessions: ServerHttp2Session[] = [];
      const http2 = createHttp2Server().on("sessionError", () => {});
      http2.on("session", (session) => sessions.push(session.on("error", () => {})));
      const server = createServer({ noDelay: true }, (socket) => {
        socket.once("end", () => turns(count).then(() => sessions[0]?.destroy(new Error("planted"), 11)));
        http2.emit("connection", new CutHeaders(socket, "caller"));
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
      peer.write(Buffer.concat([preface, settingsFrame([])]));
      await once(peer, "data");
      peer.resume().end();
      await once(peer, "close");
      await turns(12);
      server.close();
    }
  });
});
