import { create, type DescMessage, type DescMethod, fromBinary, type Message, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { refusal, type StatusError } from "../core/errors.ts";

/** The largest message that is read by default, in bytes: 4 MiB. */
export const defaultMessageBytesMax = 4 * 1024 * 1024;

/**
 * Bytes that are not a message, or too large. Returned, not thrown: otherwise grpc-js would answer
 * by itself, without details.
 */
export class Undecodable {
  readonly error: StatusError;

  constructor(error: StatusError) {
    this.error = error;
  }
}

/** A response that is bytes already, because many callers get the same. */
export class Encoded {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** The path of a method on the wire. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** A message, or its fields, as bytes. Throws where a value does not fit its field. */
export function encode(schema: DescMessage, message: MessageInitShape<DescMessage>): Buffer {
  const bytes = toBinary(schema, create(schema, message));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Bytes as a message. A `Buffer` is read as a plain array: otherwise bytes in the message would be
 * `Buffer`s, whose `slice` behaves otherwise.
 */
export function decode(schema: DescMessage, { buffer, byteOffset, byteLength }: Uint8Array): Message {
  return fromBinary(schema, new Uint8Array(buffer, byteOffset, byteLength));
}

/** Decodes the bytes of a request. Throws a `StatusError` where they are not what is taken. */
export type RequestDecoder = (schema: DescMessage, bytes: Uint8Array) => Promise<Message>;

/** Bytes that a `RequestDecoder` decodes when the call is served. */
export class Undecoded {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** Bytes as a message of at most `bytesMax`, or what is wrong with them. */
export function tryDecode(schema: DescMessage, bytes: Uint8Array, bytesMax: number): Message | Undecodable {
  const tooLarge = tooLargeFor(bytes, bytesMax);
  if (tooLarge !== undefined) return tooLarge;
  try {
    return decode(schema, bytes);
  } catch (error) {
    return new Undecodable(notA(schema, error));
  }
}

/** What is wrong with bytes above `bytesMax`; undefined: they are not. */
export function tooLargeFor(bytes: Uint8Array, bytesMax: number): Undecodable | undefined {
  return bytes.length <= bytesMax ? undefined : new Undecodable(messageTooLarge(bytes.length, bytesMax));
}

/** The error for a request that is larger than what is read. */
export function messageTooLarge(bytes: number, bytesMax: number): StatusError {
  return refusal("MESSAGE_TOO_LARGE", `the message has ${bytes} bytes, and at most ${bytesMax} are read`);
}

/** The bytes of an answer. Throws a `StatusError` where they are more than `bytesMax`. */
export function sendable(bytes: Buffer, bytesMax: number | undefined): Buffer {
  if (bytesMax === undefined || bytes.length <= bytesMax) return bytes;
  const remedy = "return less, or in parts as a stream, or raise max_message_bytes";
  throw refusal("PROGRAM_ERROR", `the result has ${bytes.length} bytes as a message, and at most ${bytesMax} are sent: ${remedy}`);
}

/** The error for bytes that the decoder does not take. */
export function notA(schema: DescMessage, error: unknown): StatusError {
  return refusal("INVALID_FIELD", `not a ${schema.typeName}: ${error instanceof Error ? error.message : "malformed"}`);
}

/** The serializer of messages that are bytes already. */
export const asBytes = (bytes: Buffer): Buffer => bytes;
