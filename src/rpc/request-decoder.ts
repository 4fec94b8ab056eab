import { create, type DescMessage, type Message, mergeFromBinary } from "@bufbuild/protobuf";
import { breathe } from "../clock/breathe.ts";
import { invalid } from "../core/errors.ts";
import { notA, type RequestDecoder } from "./codec.ts";
import type { RequestBounds } from "./request-bounds.ts";
import { scanRequest } from "./request-scan.ts";

/** Messages above this many bytes are read once everything else of this process had its turn. */
const smallBytes = 16 * 1024;

/**
 * Decodes messages that are within `bounds`, which are checked first. A large message is decoded in
 * parts, between which everything else of this process goes on. Throws INVALID_FIELD.
 */
export function decoderWithin(bounds: RequestBounds): RequestDecoder {
  return (schema, bytes) => decodeWithin(schema, bytes, bounds);
}

async function decodeWithin(schema: DescMessage, bytes: Uint8Array, bounds: RequestBounds): Promise<Message> {
  if (bytes.length > smallBytes) await breathe();
  const scanned = await scanRequest(schema, bytes, bounds);
  if (scanned.wrong !== undefined) throw invalid([scanned.wrong]);
  const message = create(schema);
  let begin = 0;
  for (const cut of [...scanned.cuts, bytes.length]) {
    if (bytes.length > smallBytes) await breathe();
    try {
      mergeFromBinary(schema, message, new Uint8Array(bytes.buffer, bytes.byteOffset + begin, cut - begin));
    } catch (error) {
      throw notA(schema, error);
    }
    begin = cut;
  }
  return message;
}
