import { createGunzip, createInflate, type Gunzip, type Inflate } from "node:zlib";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { invalid, refusal, StatusError } from "../../core/errors.ts";
import { acceptedEncodings } from "./headers.ts";

/** How much of a first message is read in search of its deployment. */
export const peekBytesMax = 4 * 1024 * 1024;
const prefixBytes = 5;
const deploymentField = 1;

/**
 * What the beginning of a message says: the deployment it names, that it names none, or nothing
 * yet.
 */
export type Peeked = { readonly deployment: string } | "none" | "unknown";

/**
 * Searches the first bytes of an Invoke request for the field `deployment`. `whole`: the message
 * has no more bytes. The first occurrence counts. The replica reads the whole message, and refuses
 * it if it names a second deployment.
 */
export function peekMessage(bytes: Uint8Array, whole: boolean): Peeked {
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === deploymentField && wireType === WireType.LengthDelimited) return { deployment: reader.string() };
      reader.skip(wireType, field);
    }
    return whole ? "none" : "unknown";
  } catch {
    return whole ? "none" : "unknown"; // cut in the middle of a field; or no protobuf at all, which names no deployment
  }
}

/**
 * Reads the deployment off the first message of an invoke stream, chunk by chunk as it comes. The
 * chunks stay the caller's.
 */
export class Peek {
  readonly #encoding: string | undefined;
  readonly #done: (result: string | StatusError) => void;
  readonly #prefix = new Uint8Array(prefixBytes);
  #bytes = 0;
  #messageBytes = 0;
  /** Of the message's bytes, how many are still to come; known with the prefix. */
  #missing = 0;
  #unpack: Gunzip | Inflate | undefined;
  readonly #plain: Uint8Array[] = [];
  #plainBytes = 0;
  /**
   * The number of bytes from which the next search is worth its cost: twice what the last search
   * read, so that all searches together stay linear.
   */
  #lookAt = 1;
  #over = false;

  /**
   * `encoding` is the header `grpc-encoding`. `done` is called once, with a name that is not empty
   * or with what is wrong.
   */
  constructor(encoding: string | undefined, done: (result: string | StatusError) => void) {
    this.#encoding = encoding;
    this.#done = done;
  }

  /** The length of the first message as its prefix says it; 0 before. Compressed, if it is compressed. */
  get messageBytes(): number {
    return this.#messageBytes;
  }

  /** The next bytes of the stream. */
  push(chunk: Uint8Array): void {
    if (this.#over) return;
    let at = 0;
    const begins = this.#bytes < prefixBytes;
    while (this.#bytes < prefixBytes && at < chunk.length) this.#prefix[this.#bytes++] = chunk[at++] as number;
    if (this.#bytes < prefixBytes) return;
    if (begins) this.#begin();
    else if (this.#missing === 0) return; // what comes behind the first message
    if (this.#over) return;
    const part = chunk.subarray(at, at + this.#missing);
    this.#bytes += part.length;
    this.#missing -= part.length;
    if (this.#unpack === undefined) this.#take(part, this.#missing === 0);
    else if (this.#missing === 0) this.#unpack.end(part);
    else this.#unpack.write(part);
    if (this.#bytes > peekBytesMax) this.end(tooFar());
  }

  /** The stream has ended: nothing comes any more but what is still being unpacked. */
  ended(): void {
    if (this.#unpack === undefined || this.#missing > 0) this.end();
  }

  /** Ends the search, by default without a name. */
  end(result: Peeked | StatusError = "none"): void {
    if (this.#over) return;
    this.#over = true;
    this.#plain.length = 0;
    this.#unpack?.destroy();
    if (result instanceof StatusError) this.#done(result);
    else if (typeof result === "object" && result.deployment !== "") this.#done(result.deployment);
    else this.#done(invalid([{ field: "deployment", description: "required: the name of the deployment to call" }]));
  }

  /** Reads the prefix: whether the message is compressed, and its length. */
  #begin(): void {
    this.#messageBytes = new DataView(this.#prefix.buffer).getUint32(1);
    this.#missing = this.#messageBytes;
    const [flag] = this.#prefix;
    if (flag === 0) return;
    const encoding = this.#encoding ?? "identity";
    if (flag !== 1 || encoding === "identity") {
      this.end(refusal("PROTOCOL_VIOLATION", `the message has the compressed flag ${flag}, and the header grpc-encoding is "${encoding}"`));
      return;
    }
    const unpack = encoding === "gzip" ? createGunzip() : encoding === "deflate" ? createInflate() : undefined;
    if (unpack === undefined) {
      this.end(refusal("ENCODING_NOT_SUPPORTED", `the encoding "${encoding}" is not known here: use one of ${acceptedEncodings}`));
      return;
    }
    unpack.on("data", (part: Uint8Array) => this.#take(part, false));
    unpack.once("end", () => this.#take(new Uint8Array(), true));
    unpack.once("error", () => this.end(refusal("PROTOCOL_VIOLATION", `the message is not valid ${encoding}`)));
    this.#unpack = unpack;
  }

  /** More of the message, unpacked. */
  #take(part: Uint8Array, whole: boolean): void {
    if (this.#over) return;
    this.#plain.push(part);
    this.#plainBytes += part.length;
    if (!whole && this.#plainBytes < this.#lookAt) return;
    this.#lookAt = this.#plainBytes * 2;
    const peeked = peekMessage(this.#plain.length === 1 ? part : Buffer.concat(this.#plain), whole);
    if (peeked !== "unknown") this.end(peeked);
    else if (this.#plainBytes > peekBytesMax) this.end(tooFar());
  }
}

function tooFar(): StatusError {
  return refusal(
    "MESSAGE_TOO_LARGE",
    `the field "deployment" does not come within the first ${peekBytesMax} bytes of the message: put it first`,
  );
}
