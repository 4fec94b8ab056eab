import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type ErrorDetail, StatusError } from "../core/errors.ts";

/** The message as a detail of an error. It travels if it fits in `detailBytesMax`. */
export function packDetail<D extends DescMessage>(schema: D, message: MessageInitShape<D>): ErrorDetail {
  return { typeName: schema.typeName, value: toBinary(schema, create(schema, message)) };
}

/** The detail of that type; undefined: the error has none, or what it has cannot be read. */
export function detailOf<D extends DescMessage>(error: unknown, schema: D): MessageShape<D> | undefined {
  if (!(error instanceof StatusError)) return undefined;
  const found = error.facts.details?.find(({ typeName }) => typeName === schema.typeName);
  try {
    return found && fromBinary(schema, found.value);
  } catch {
    // Another server's bytes: code, reason and message still hold.
    return undefined;
  }
}
