import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** HTTP/2 as bytes, for peers that do what no library does. */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const frameType = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const flag = { ack: 1, endStream: 1, endHeaders: 4 } as const;
export const setting = { maxConcurrentStreams: 3, initialWindowSize: 4 } as const;
/** The largest frame that every peer takes. */
const frameBytesMax = 16_384;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function encodeFrame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Names and values, in order; a character is a byte. */
export type RawFields = readonly (readonly [name: string, value: string])[];

/** A header block in which every pair is a literal that no table keeps. */
export function headerBlock(fields: RawFields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]));
}

/** HEADERS and, for what is in further pieces or does not fit, CONTINUATION. */
export function headerFrames(stream: number, fields: RawFields, end: boolean, pieces = 1): Buffer {
  const block = headerBlock(fields);
  const size = Math.min(frameBytesMax, Math.max(1, Math.ceil(block.length / pieces)));
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += size) {
    const last = at + size >= block.length ? flag.endHeaders : 0;
    const [type, ending] = at === 0 ? [frameType.headers, end ? flag.endStream : 0] : [frameType.continuation, 0];
    frames.push(encodeFrame(type, last | ending, stream, block.subarray(at, at + size)));
  }
  return Buffer.concat(frames);
}

/** Cuts what comes into frames. */
export class FrameReader {
  #rest = Buffer.alloc(0);
  /** Bytes of a preface that are still to come. */
  #skip: number;

  constructor(skip = 0) {
    this.#skip = skip;
  }

  read(chunk: Buffer): readonly Frame[] {
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    let bytes = Buffer.concat([this.#rest, chunk.subarray(skipped)]);
    const frames: Frame[] = [];
    for (;;) {
      const end = bytes.length < 9 ? Number.POSITIVE_INFINITY : 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      const [, , , type = 0, flags = 0] = bytes;
      frames.push({ type, flags, stream: bytes.readUInt32BE(5) & 0x7fffffff, payload: bytes.subarray(9, end) });
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    return frames;
  }
}

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[] = []): Buffer {
  const payload = Buffer.alloc(settings.length * 6);
  for (const [index, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  }
  return encodeFrame(frameType.settings, 0, 0, payload);
}

export function resetFrame(stream: number, code = 8): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return encodeFrame(frameType.resetStream, 0, stream, payload);
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([prefixed(bytes.length), bytes]);
}

/** A number with a prefix of seven bits. */
function prefixed(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.of(...bytes, rest);
}

/** One end of a connection that speaks frames. */
export class FramePeer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  closed = false;

  constructor(socket: Socket, onFrame: (frame: Frame) => void = () => {}, skip = 0) {
    this.socket = socket;
    const reader = new FrameReader(skip);
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("data", (chunk: Buffer) => {
      for (const frame of reader.read(chunk)) {
        if (frame.type === frameType.settings && (frame.flags & flag.ack) === 0) {
          socket.write(encodeFrame(frameType.settings, flag.ack, 0));
        }
        this.frames.push(frame);
        onFrame(frame);
      }
    });
  }

  write(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The error code of the connection's end. Undefined: none came. */
  get goAway(): number | undefined {
    return this.frames.find(({ type }) => type === frameType.goAway)?.payload.readUInt32BE(4);
  }
}

/** Connects as a caller: preface and settings are sent. */
export async function frameCaller(address: string, settings: readonly (readonly [number, number])[] = []): Promise<FramePeer> {
  const colon = address.lastIndexOf(":");
  const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), noDelay: true });
  await once(socket, "connect");
  const peer = new FramePeer(socket);
  peer.write(preface, settingsFrame(settings));
  return peer;
}

/** A server of frames. `onHeaders` answers each call. */
export async function frameServer(
  onHeaders: (peer: FramePeer, stream: number) => void,
): Promise<AsyncDisposable & { readonly address: string; readonly peers: readonly FramePeer[] }> {
  const peers: FramePeer[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    const peer: FramePeer = new FramePeer(
      socket,
      ({ type, stream }) => {
        if (type === frameType.headers) onHeaders(peer, stream);
      },
      preface.length,
    );
    peers.push(peer);
    peer.write(settingsFrame());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    peers,
    [Symbol.asyncDispose]: async () => {
      for (const { socket } of peers) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
