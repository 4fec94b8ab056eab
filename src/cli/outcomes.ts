import { type ReconfiguredReplica, ReconfigureOutcome } from "../../gen/drover/v1/controller_service_pb.ts";
import { StatusError } from "../core/errors.ts";
import { nameOf } from "../rpc/enum-name.ts";
import { firstLine } from "./plain-text.ts";
import { printTable } from "./print.ts";
import type { Colors, Session } from "./session.ts";

/** What a replica made of a config. */
export interface ShownOutcome {
  readonly replicaId: string;
  /** A name of `ReconfigureOutcome`. */
  readonly outcome: string;
  readonly message: string;
}

export function outcomesOf(replicas: readonly ReconfiguredReplica[]): readonly ShownOutcome[] {
  return replicas.map(({ replicaId, outcome, message }) => ({ replicaId, outcome: nameOf(ReconfigureOutcome, outcome), message }));
}

/** The replicas that a refused change tells of in its metadata, as `"sentiment-x7k2p": "REFUSED: too high"`; there may be more. */
export function refusedOutcomes(error: unknown): readonly ShownOutcome[] {
  if (!(error instanceof StatusError) || error.reason !== "RECONFIGURE_REFUSED") return [];
  return Object.entries(error.facts.metadata ?? {}).flatMap(([replicaId, text]) => {
    const [, outcome, message = ""] = /^([A-Z]+…?)(?:: ?(.*))?$/s.exec(text) ?? [];
    return outcome !== undefined && /^[a-z][a-z0-9-]*-[a-z0-9]+$/.test(replicaId) ? [{ replicaId, outcome, message }] : [];
  });
}

/** A table of them; nothing where there are none. */
export function printOutcomes(session: Session, outcomes: readonly ShownOutcome[]): void {
  if (outcomes.length === 0) return;
  const rows = outcomes.map(({ replicaId, outcome, message }) => [replicaId, colored(session.colors, outcome), firstLine(message)]);
  printTable(session, ["REPLICA", "OUTCOME", "MESSAGE"], rows);
}

function colored(colors: Colors, outcome: string): string {
  if (outcome === "ACCEPTED" || outcome === "APPLIED") return colors.green(outcome);
  return outcome === "REVERTED" ? colors.yellow(outcome) : colors.red(outcome);
}
