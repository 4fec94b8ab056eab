import { Metadata, type MetadataValue } from "@grpc/grpc-js";

/** What gRPC itself sends; and `__proto__`, which grpc-js loses. */
const reserved = new Set(["grpc-status", "grpc-message", "grpc-encoding", "grpc-accept-encoding", "content-type", "__proto__"]);

/** Metadata that a handler sends. A name that would replace gRPC's own headers is an error at once. */
export class ResponseMetadata extends Metadata {
  override set(key: string, value: MetadataValue): void {
    checkName(key);
    super.set(key, value);
  }

  override add(key: string, value: MetadataValue): void {
    checkName(key);
    super.add(key, value);
  }
}

function checkName(key: string): void {
  const name = key.toLowerCase();
  if (reserved.has(name) || name.startsWith(":")) throw new Error(`the metadata key "${key}" is reserved: choose another name`);
}
