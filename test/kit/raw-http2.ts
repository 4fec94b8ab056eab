// Frames of HTTP/2 as plain bytes, to send what no library would send.

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Types of frames. */
export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Flags of frames. */
export const flags = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function encodeFrame({ type, flags, stream, payload }: RawFrame): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Cuts what comes into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): readonly RawFrame[] {
    let bytes = Buffer.concat([this.#rest, chunk]);
    const frames: RawFrame[] = [];
    for (;;) {
      const length = bytes.length < 9 ? Infinity : 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < length) break;
      const stream = bytes.readUInt32BE(5) & 0x7fffffff;
      frames.push({ type: bytes[3] ?? 0, flags: bytes[4] ?? 0, stream, payload: bytes.subarray(9, length) });
      bytes = bytes.subarray(length);
    }
    this.#rest = bytes;
    return frames;
  }
}

/** Names and values, in order; a character is a byte. */
export type RawFields = readonly (readonly [name: string, value: string])[];

/** A header block that refers to no table, and leaves none changed. */
export function encodeFields(fields: RawFields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), encodeText(name), encodeText(value)]));
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const size = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>>= 7) size.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...size, rest]), bytes]);
}

/** A header block as HEADERS and, if it is in several pieces, CONTINUATION. */
export function headerFrames(stream: number, fields: RawFields, endStream: boolean, pieces = 1): Buffer {
  const block = encodeFields(fields);
  // No piece is larger than a frame may be.
  const size = Math.min(16_384, Math.max(1, Math.ceil(block.length / pieces)));
  const frames: Buffer[] = [];
  let at = 0;
  do {
    const last = at + size >= block.length;
    const mark = (last ? flags.endHeaders : 0) | (at === 0 && endStream ? flags.endStream : 0);
    const type = at === 0 ? frameTypes.headers : frameTypes.continuation;
    frames.push(encodeFrame({ type, flags: mark, stream, payload: block.subarray(at, at + size) }));
    at += size;
  } while (at < block.length);
  return Buffer.concat(frames);
}
