import { messageBytes } from "../core/message-bounds.ts";

/**
 * Bytes that every request may keep, however much other requests keep. So small requests can be
 * sent again while large ones fill the pool.
 */
export const keptAlwaysBytes = 256 * 1024;
/** What comes before a message on the wire. */
const prefixBytes = 5;
/** How many of the largest requests a gateway keeps at the same time. */
const largestKept = 4;
/**
 * This many chunks are joined into a new one: a chunk costs some hundred bytes more than it holds,
 * and may keep the buffer it was cut from.
 */
const chunksPerPack = 64;

/**
 * What requests may keep above their `keptAlwaysBytes`. Invariant: what is taken and not yet given
 * back is at most `bytesMax`.
 */
export class KeptPool {
  /**
   * Bytes that one request may keep: the largest message that a replica takes, and its prefix.
   */
  readonly requestBytesMax: number;
  /** Bytes that all requests of a gateway together keep above their `keptAlwaysBytes`. */
  readonly bytesMax: number;
  #freeBytes: number;

  /** `messageBytesMax`: the largest message, in bytes. */
  constructor(messageBytesMax: number = messageBytes.default) {
    this.requestBytesMax = messageBytesMax + prefixBytes;
    this.bytesMax = largestKept * this.requestBytesMax;
    this.#freeBytes = this.bytesMax;
  }

  /** False: there is not as much left, and nothing was taken. */
  take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false;
    this.#freeBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#freeBytes += bytes;
  }
}

/**
 * The bytes of a request, kept until its replica answers, to be sent to another one if that replica
 * does not take it.
 * Bounds: `keptAlwaysBytes` for each; above that up to the pool's `requestBytesMax`, as long as there
 * is room in the pool, which all requests of a gateway share. What is longer, or finds no room, is
 * not kept, and so not sent a second time.
 */
export class KeptRequest {
  readonly #pool: KeptPool;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #pooledBytes = 0;
  /** Chunks since the last pack. */
  #loose = 0;
  #keeping = true;
  #lack: string | undefined;

  constructor(pool: KeptPool) {
    this.#pool = pool;
  }

  /** All of the request so far. Empty if it is not kept. */
  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Why it is not kept completely. Undefined: it is. */
  get lack(): string | undefined {
    return this.#lack;
  }

  /** Adds the next bytes. `fit` must be called once they are sent. */
  add(chunk: Buffer): void {
    if (!this.#keeping) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (++this.#loose < chunksPerPack) return;
    this.#chunks.push(Buffer.concat(this.#chunks.splice(-chunksPerPack)));
    this.#loose = 0;
  }

  /** Called when everything is sent. Keeps to the bounds, if necessary by keeping nothing. */
  fit(): void {
    const { requestBytesMax, bytesMax } = this.#pool;
    const missingBytes = this.#bytes - keptAlwaysBytes - this.#pooledBytes;
    if (!this.#keeping || missingBytes <= 0) return;
    if (this.#bytes > requestBytesMax) this.#lack = `only ${requestBytesMax} bytes of one are kept`;
    else if (!this.#pool.take(missingBytes)) this.#lack = `the gateway keeps ${bytesMax} bytes of all large ones, and has no room left`;
    else {
      this.#pooledBytes += missingBytes;
      return;
    }
    this.drop();
  }

  /** The request is no longer needed. */
  drop(): void {
    this.#keeping = false;
    this.#chunks = [];
    this.#pool.give(this.#pooledBytes);
    this.#pooledBytes = 0;
  }
}
