import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { headerBytesMax } from "../../core/traffic/header-rules.ts";

// nghttp2 ends a connection, with all of its calls, for a string above 64 KiB in a header block, and
// for a block in more than nine frames. A peer's block that has either is cut before nghttp2 sees
// it, so that the gateway can fail its call alone.

/** What comes before the first frame of a caller. A replica sends frames alone. */
const prefaceBytes = 24;
const frameHeadBytes = 9;
const frameBytesMax = 16_384;
const headersType = 1;
const continuationType = 9;
const endHeadersFlag = 4;
const paddedFlag = 8;
const priorityFlag = 32;
const priorityBytes = 5;
/** The longest string that nghttp2 reads. */
const stringBytesMax = 65_536;
/** Blocks up to this are in few enough frames, with room for the mark. */
const blockBytesMax = 4 * frameBytesMax;
/** Larger blocks are not collected; nghttp2 ends their connection. */
const collectedBytesMax = 256 * 1024;
/**
 * A string that goes into the table of both sides keeps more bytes than the table holds, 4,096: it
 * empties the table, whatever its length.
 */
const keptInTableBytes = 4_097;
/** The pair that marks a block as cut: it alone has more bytes than a call may have. */
const mark = literal("drover-cut", headerBytesMax);

/** Who sends the bytes of a connection. */
export type Peer = "caller" | "replica";

/** The bytes of a peer's connection, with header blocks cut that are too large for nghttp2. */
export class CutHeaders extends Duplex {
  readonly #socket: Socket;
  readonly #cutter: BlockCutter;
  #drained: (() => void) | undefined;

  constructor(socket: Socket, from: Peer) {
    super();
    this.#socket = socket;
    this.#cutter = new BlockCutter(from);
    socket.on("data", (chunk: Buffer) => {
      for (const part of this.#cutter.push(chunk)) if (!this.push(part)) socket.pause();
    });
    socket.once("end", () => this.push(null));
    // A session that still writes while node ends its socket throws where nobody catches it, so
    // a peer that has ended its side gets nothing more.
    this.once("end", () => this.destroy());
    socket.once("error", (error) => this.destroy(error));
    socket.once("close", () => this.destroy());
    socket.on("drain", () => {
      const drained = this.#drained;
      this.#drained = undefined;
      drained?.();
    });
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#written(this.#socket.write(chunk), done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: () => void): void {
    this.#socket.cork();
    let more = true;
    for (const { chunk } of chunks) more = this.#socket.write(chunk);
    this.#socket.uncork();
    this.#written(more, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #written(more: boolean, done: () => void): void {
    if (more) done();
    else this.#drained = done;
  }
}

/** Passes on a peer's bytes. Only blocks of several frames are looked into. */
export class BlockCutter {
  /** Bytes that are passed on as they are: of the preface, or of a frame. */
  #pass: number;
  #rest: Buffer = Buffer.alloc(0);
  /** The frames of a block that has not ended. */
  #block: Buffer[] = [];
  #blockBytes = 0;

  constructor(from: Peer) {
    this.#pass = from === "caller" ? prefaceBytes : 0;
  }

  push(chunk: Buffer): readonly Buffer[] {
    const out: Buffer[] = [];
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    let passedTo = 0;
    const flush = () => {
      if (at > passedTo) out.push(bytes.subarray(passedTo, at));
      passedTo = at;
    };
    for (;;) {
      const passed = Math.min(this.#pass, bytes.length - at);
      at += passed;
      this.#pass -= passed;
      if (this.#pass > 0 || bytes.length - at < frameHeadBytes) break;
      const length = bytes.readUIntBE(at, 3);
      const type = bytes[at + 3] as number;
      const ends = ((bytes[at + 4] as number) & endHeadersFlag) !== 0;
      const opens = type === headersType && !ends;
      const continues = type === continuationType && this.#block[0]?.readUInt32BE(5) === bytes.readUInt32BE(at + 5);
      if (!continues) out.push(...this.#takeBlock()); // no block goes on with anything else: nghttp2 says so
      if (!opens && !continues) {
        this.#pass = frameHeadBytes + length;
        continue;
      }
      flush();
      if (bytes.length - at < frameHeadBytes + length) {
        if (length <= frameBytesMax) break; // the rest of the frame is still to come
        out.push(...this.#takeBlock());
        this.#pass = frameHeadBytes + length; // too long for any frame: nghttp2 ends the connection
        continue;
      }
      this.#block.push(bytes.subarray(at, at + frameHeadBytes + length));
      this.#blockBytes += frameHeadBytes + length;
      at += frameHeadBytes + length;
      passedTo = at;
      if (!ends && this.#blockBytes <= collectedBytesMax) continue;
      const block = this.#takeBlock();
      out.push(...(ends ? cutBlock(block) : block));
    }
    flush();
    this.#rest = bytes.subarray(at);
    return out;
  }

  #takeBlock(): readonly Buffer[] {
    const block = this.#block;
    if (block.length > 0) this.#block = [];
    this.#blockBytes = 0;
    return block;
  }
}

/** The frames of a whole block; cut if nghttp2 would not take it. */
function cutBlock(frames: readonly Buffer[]): readonly Buffer[] {
  const [first] = frames as readonly [Buffer];
  const flags = first[4] as number;
  const padding = (flags & paddedFlag) !== 0 ? (first[frameHeadBytes] as number) : 0;
  const before = frameHeadBytes + ((flags & paddedFlag) !== 0 ? 1 : 0);
  const from = before + ((flags & priorityFlag) !== 0 ? priorityBytes : 0);
  if (from + padding > first.length) return frames;
  const fragments = [first.subarray(from, first.length - padding), ...frames.slice(1).map((frame) => frame.subarray(frameHeadBytes))];
  const cut = cutStrings(Buffer.concat(fragments));
  if (cut === undefined) return frames;
  const whole = Buffer.concat([first.subarray(before, from), cut]);
  const out: Buffer[] = [];
  for (let at = 0; at < whole.length; at += frameBytesMax) {
    const head = Buffer.from(first.subarray(0, frameHeadBytes));
    const part = whole.subarray(at, at + frameBytesMax);
    head.writeUIntBE(part.length, 0, 3);
    head[3] = at === 0 ? headersType : continuationType;
    head[4] = (at === 0 ? flags & ~paddedFlag & ~endHeadersFlag : 0) | (at + frameBytesMax >= whole.length ? endHeadersFlag : 0);
    out.push(head, part);
  }
  return out;
}

/** The block with its long strings cut, and marked as cut. Undefined: nghttp2 takes it as it is. */
export function cutStrings(block: Buffer): Buffer | undefined {
  const out: Buffer[] = [];
  let at = 0;
  let copied = 0;
  let tooLong = block.length > blockBytesMax * 2;
  const number = (prefix: number): number => {
    const most = 2 ** prefix - 1;
    let value = (block[at++] as number) & most;
    if (value < most) return value;
    for (let shift = 1; ; shift *= 128) {
      const byte = block[at++] ?? 0;
      value += (byte & 127) * shift;
      if (byte < 128 || shift > 2 ** 21) return value;
    }
  };
  const string = (kept: number) => {
    const start = at;
    const length = number(7);
    const end = at + length;
    tooLong ||= length > stringBytesMax;
    if (length > keptInTableBytes) {
      out.push(block.subarray(copied, start), text(kept));
      copied = end;
    }
    at = end;
  };
  while (at < block.length) {
    const kind = block[at] as number;
    if (kind >= 128) number(7);
    else if (kind >= 32 && kind < 64) number(5);
    else {
      const inTable = kind >= 64;
      const kept = inTable ? keptInTableBytes : 1;
      if (number(inTable ? 6 : 4) === 0) string(kept);
      string(kept);
    }
  }
  if (at !== block.length || !tooLong) return undefined;
  return Buffer.concat([...out, block.subarray(copied), mark]);
}

/** A literal that no table keeps. */
function literal(name: string, valueBytes: number): Buffer {
  return Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), text(valueBytes)]);
}

/** A string of HPACK that has this length. */
function text(length: number): Buffer {
  const head: number[] = [];
  if (length < 127) head.push(length);
  else {
    head.push(127);
    let rest = length - 127;
    for (; rest >= 128; rest = Math.floor(rest / 128)) head.push((rest % 128) + 128);
    head.push(rest);
  }
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length, "x")]);
}
