import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import Table from "cli-table3";
import { type Deployment, DeploymentState, type DeploymentStatus, ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import type { Json } from "../core/json.ts";
import { nameOf } from "../rpc/enum-name.ts";
import { printDuration } from "./duration.ts";
import type { Colors, Session } from "./session.ts";

/**
 * Proto JSON by proto field names, zeros and empty lists included, so that scripts find every
 * field.
 */
export function messageJson<D extends DescMessage>(schema: D, message: MessageShape<D>): Json {
  return toJson(schema, message, { useProtoFieldName: true, alwaysEmitImplicit: true }) as Json;
}

/** Indented JSON. */
export function printJson(session: Session, json: Json): void {
  session.print(JSON.stringify(json, null, 2));
}

/** Columns without lines between them, for people and `awk`. */
export function printTable(session: Session, head: readonly string[], rows: readonly (readonly string[])[]): void {
  session.print(tableText(session.colors, head, rows));
}

export function tableText(colors: Colors, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({ chars: noLines, style: { head: [], border: [], "padding-left": 0, "padding-right": 2, compact: true } });
  table.push(
    head.map((name) => colors.bold(name)),
    ...rows.map((row) => [...row]),
  );
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

const noLines = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
  ].map((name) => [name, ""]),
);

export function deploymentState(status: DeploymentStatus | undefined): string {
  return nameOf(DeploymentState, status?.state);
}

export function replicaState(state: number): string {
  return nameOf(ReplicaState, state);
}

export function colorState(colors: Colors, state: string): string {
  if (state === "HEALTHY" || state === "RUNNING") return colors.green(state);
  if (state === "UNHEALTHY" || state === "DEPLOY_FAILED" || state === "FAILED") return colors.red(state);
  return state === "STOPPED" ? colors.dim(state) : colors.yellow(state);
}

/** `1/2`: running of wanted. */
export function runningOf(status: DeploymentStatus | undefined): string {
  return `${status?.runningReplicas ?? 0}/${status?.targetReplicas ?? 0}`;
}

/** Never below 0: the clock of the controller may be ahead of ours. */
export function age(nowMs: number, time: Timestamp | undefined): string {
  return time ? printDuration(Math.max(0, nowMs - timestampMs(time))) : "-";
}

/** What a deployment runs, in a few words. */
export function programOf(deployment: Deployment): string {
  const kind = deployment.spec?.program?.kind;
  if (kind?.case === "module") return `${kind.value.path}${kind.value.exportName ? `:${kind.value.exportName}` : ""}`;
  return kind?.case === "command" ? kind.value.argv.join(" ") : "-";
}
