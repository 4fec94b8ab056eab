import { type ReconfiguredReplica, ReconfigureFailureSchema, ReconfigureOutcome } from "../../gen/drover/v1/controller_service_pb.ts";
import { nameOf } from "../rpc/enum-name.ts";
import { detailOf } from "../rpc/error-detail.ts";
import { firstLine } from "./plain-text.ts";
import { printTable } from "./print.ts";
import type { Colors, Session } from "./session.ts";

/** Prints a table of what each replica did with a config; nothing where there are no replicas. */
export function printOutcomes(session: Session, replicas: readonly ReconfiguredReplica[]): void {
  if (replicas.length === 0) return;
  const rows = replicas.map(({ replicaId, outcome, message }) => [
    replicaId,
    colored(session.colors, nameOf(ReconfigureOutcome, outcome)),
    firstLine(message),
  ]);
  printTable(session, ["REPLICA", "OUTCOME", "MESSAGE"], rows);
}

/** Prints the same table for a change that was refused; nothing for another error. */
export function printRefusedOutcomes(session: Session, error: unknown): void {
  const failure = detailOf(error, ReconfigureFailureSchema);
  if (failure === undefined) return;
  printOutcomes(session, failure.replicas);
  if (failure.replicasLeftOut > 0) session.note(`and ${failure.replicasLeftOut} more replicas`);
}

function colored(colors: Colors, outcome: string): string {
  if (outcome === "ACCEPTED" || outcome === "APPLIED") return colors.green(outcome);
  return outcome === "REVERTED" ? colors.yellow(outcome) : colors.red(outcome);
}
