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

/** Bytes as a message of at most `bytesMax`, or what is wrong with them. */
export function tryDecode(schema: DescMessage, bytes: Uint8Array, bytesMax: number): Message | Undecodable {
  if (bytes.length > bytesMax) {
    const text = `the message has ${bytes.length} bytes, and at most ${bytesMax} are read`;
    return new Undecodable(refusal("MESSAGE_TOO_LARGE", text));
  }
  try {
    return decode(schema, bytes);
  } catch (error) {
    const text = `not a ${schema.typeName}: ${error instanceof Error ? error.message : "malformed"}`;
    return new Undecodable(refusal("INVALID_FIELD", text));
  }
}

/** The serializer of messages that are bytes already. */
export const asBytes = (bytes: Buffer): Buffer => bytes;
