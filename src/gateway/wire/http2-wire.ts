import type { Wire } from "../sides.ts";
import { Http2CallerServer } from "./caller-server.ts";
import { Http2ReplicaConnection } from "./replica-connection.ts";

/** Calls on node:http2. */
export const http2Wire: Wire = {
  serve: (options) => new Http2CallerServer(options),
  connect: (address, onLost) => new Http2ReplicaConnection(address, onLost),
};
