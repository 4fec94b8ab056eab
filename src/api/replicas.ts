import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ListReplicasResponseSchema,
  LogStream,
  type WatchLogsRequest,
  type WatchLogsResponseSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { refusal } from "../core/errors.ts";
import type { LogLine } from "../core/log-line.ts";
import { hasEnded } from "../core/replica.ts";
import type { CallContext } from "../rpc/service.ts";
import type { Entry } from "../store/store.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { replicaToMessage } from "./convert.ts";
import { followLogs } from "./follow-logs.ts";
import { pageOf } from "./pages.ts";

const tailLinesDefault = 100;

/** Replicas, and what they print. */
export function replicaHandlers(parts: ControllerParts): ControllerHandlers<"listReplicas" | "watchLogs"> {
  const { mirror, observed, view, clock } = parts;
  return {
    listReplicas: async (request) => {
      const { deployment } = request;
      await view.catchUp();
      if (deployment !== "") view.record(deployment);
      const items = deployment === "" ? mirror.replicas().values() : mirror.replicasOf(deployment);
      const list = {
        items,
        keyOf: ({ value }: Entry<"replica">) => `${value.deployment}/${value.id}`,
        answer: ({ value }: Entry<"replica">) => ({ replicas: [replicaToMessage(value, observed)] }),
      };
      return pageOf(ListReplicasResponseSchema, request, list, clock);
    },
    watchLogs: (request, context) => watchLogs(parts, request, context),
  };
}

async function* watchLogs(
  { mirror, logs, view }: ControllerParts,
  request: WatchLogsRequest,
  { signal }: CallContext,
): AsyncGenerator<MessageInitShape<typeof WatchLogsResponseSchema>> {
  await view.catchUp();
  view.record(request.name);
  const options = { tailLines: request.tailLines ?? tailLinesDefault, follow: request.follow };
  const ids = () =>
    mirror.replicasOf(request.name).flatMap(({ value }) => (request.replicaId === "" || value.id === request.replicaId ? value.id : []));
  if (request.replicaId !== "" && ids().length === 0) {
    throw refusal("REPLICA_NOT_FOUND", `deployment "${request.name}" has no replica "${request.replicaId}"`, {
      metadata: { replica: request.replicaId },
    });
  }
  if (request.follow) {
    const lines = followLogs(
      {
        ids,
        hasEnded: (id) => hasEnded(mirror.replica(id)?.value.state ?? "STOPPED"),
        open: (id, whole, stop) => logs(id, whole ? { tailLines: Number.MAX_SAFE_INTEGER, follow: true } : options, stop),
        subscribe: (changed) => mirror.subscribe(changed),
      },
      signal,
    );
    for await (const line of lines) yield logLineToMessage(line);
  } else {
    for (const id of ids()) for await (const line of logs(id, options, signal)) yield logLineToMessage(line);
  }
}

function logLineToMessage({ replicaId, stream, line, atMs }: LogLine): MessageInitShape<typeof WatchLogsResponseSchema> {
  return {
    replicaId,
    stream: stream === "stdout" ? LogStream.STDOUT : LogStream.STDERR,
    line,
    ...(atMs !== undefined && { writeTime: timestampFromMs(atMs) }),
  };
}
