// Peers of HTTP/2 that make moves, whatever the other side expects.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { bytesOf, type Move } from "./any-http2.ts";
import { encodeFrame, FrameReader, flag, frameType, preface, settingsFrame } from "./http2-frames.ts";

const settings = settingsFrame();
const settingsAck = encodeFrame(frameType.settings, flag.ack, 0);
const ping = encodeFrame(frameType.ping, 0, 0, Buffer.from("whatever"));

/** Lets timers, sockets and streams of this process have their turn. */
const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

/** Makes a move; false: there is no connection any more. */
async function make(move: Move, stream: number, socket: Socket): Promise<boolean> {
  if (move.kind === "turn") await turn();
  if (socket.destroyed) return false;
  if (move.kind === "leave") socket.destroy();
  const bytes = bytesOf(move, stream);
  if (bytes !== undefined) socket.write(bytes);
  return !socket.destroyed;
}

/** A server that makes these moves on each stream that is opened. */
export async function rawServer(movesOn: (stream: number) => readonly Move[]): Promise<AsyncDisposable & { readonly address: string }> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    socket.write(settings);
    const reader = new FrameReader(preface.length);
    socket.on("data", (chunk) => {
      for (const frame of reader.read(chunk)) {
        if (frame.type === frameType.settings && (frame.flags & flag.ack) === 0) socket.write(settingsAck);
        if (frame.type === frameType.headers) void play(frame.stream);
      }
    });
    const play = async (stream: number) => {
      for (const move of movesOn(stream)) if (!(await make(move, stream, socket))) return;
    };
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A move, and the stream that a caller makes it on. */
export interface MoveOnStream {
  readonly stream: number;
  readonly move: Move;
}

/**
 * Makes all moves on one connection, waits until the server has dealt with them, and leaves.
 * Returns the streams on which something came after their end.
 */
export async function playAt(address: string, moves: readonly MoveOnStream[]): Promise<readonly number[]> {
  const colon = address.lastIndexOf(":");
  const socket = address.startsWith("unix:")
    ? connect(address.slice("unix:".length))
    : connect(Number(address.slice(colon + 1)), address.slice(0, colon));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const answered = Promise.withResolvers<void>();
  const ended = new Set<number>();
  const after: number[] = [];
  const reader = new FrameReader();
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    for (const { type, flags: given, stream } of reader.read(chunk)) {
      // A server that gives up a connection says so, but may wait for the caller to close it.
      if (type === frameType.goAway || (type === frameType.ping && (given & flag.ack) !== 0)) answered.resolve();
      const carries = type === frameType.data || type === frameType.headers;
      if (carries && ended.has(stream)) after.push(stream);
      if ((carries && (given & flag.endStream) !== 0) || type === frameType.resetStream) ended.add(stream);
    }
  });
  socket.write(Buffer.concat([preface, settings]));
  let there = true;
  for (const { stream, move } of moves) there &&= await make(move, stream, socket);
  if (there) socket.write(ping);
  await Promise.race([answered.promise, closed]);
  await turn();
  socket.destroy();
  await closed;
  return after;
}

/** Runs to the end, or fails with the first error that nobody caught. */
export async function withoutUncaught(run: () => Promise<void>): Promise<void> {
  const { promise: uncaught, reject } = Promise.withResolvers<never>();
  const fail = (cause: unknown) => reject(new Error("nobody caught an error", { cause }));
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  try {
    await Promise.race([run().then(turn), uncaught]);
  } finally {
    process.off("uncaughtException", fail);
    process.off("unhandledRejection", fail);
  }
}
