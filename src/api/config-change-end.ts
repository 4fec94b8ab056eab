import { type ConfigChangeRecord, isOver, type ReplicaOutcome, violationsOf } from "../core/config-change.ts";
import { refusal, type StatusError } from "../core/errors.ts";
import { ofLife } from "../core/lineage.ts";
import { refusalInWords } from "../core/words/config-change-words.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { reconfigureFailure } from "./convert-outcomes.ts";
import { notFound } from "./refusals.ts";
import { untilMirrored } from "./until-mirrored.ts";

/**
 * How long a call without a deadline waits for the end of a change: longer than all its steps may
 * take.
 */
const overMaxMs = 120_000;

/** A change of config that a request began. */
export interface BegunChange {
  readonly deployment: string;
  readonly uid: string;
  readonly id: string;
  readonly generation: number;
}

/** The end of a change of config that was not refused. */
export interface ChangeEnd extends BegunChange {
  readonly committed: boolean;
  /** Empty once the record of a later change has replaced this one's. */
  readonly replicas: readonly ReplicaOutcome[];
}

/**
 * Waits for the end of a change. Fails with RECONFIGURE_REFUSED if it was refused, with
 * CONFIG_NOT_FOUND if so many configs were committed since that its end is no longer known, with
 * DEPLOYMENT_NOT_FOUND if its deployment is gone, and with UNAVAILABLE if no controller carries it
 * out.
 */
export async function endOf(parts: ControllerParts, begun: BegunChange, signal: AbortSignal): Promise<ChangeEnd> {
  const { mirror, clock, closing } = parts;
  const { deployment, id } = begun;
  await mirror.catchUp();
  const wait = AbortSignal.any([signal, closing]);
  const end = await untilMirrored(mirror, clock, overMaxMs, wait, () => endNow(parts, begun));
  if (end === "gone") return notFound(deployment);
  if (end === "refused") throw refused(begun);
  if (end === "unknown") throw unknown(begun);
  if (end !== undefined && "step" in end) {
    if (end.step === "REFUSED") throw refusedBy(end);
    return { deployment, uid: end.uid, id, generation: end.generation, committed: end.step === "COMMITTED", replicas: end.replicas };
  }
  if (end !== undefined) return end;
  if (signal.aborted && !closing.aborted) throw refusal("CANCELLED", "the caller left; the change of config goes on");
  const text = `the change of config of deployment "${deployment}" is not over: \`drover configs ${deployment}\` shows what is in use`;
  throw refusal("NO_REPLICA", text, { retryAfterMs: 1_000 });
}

type EndNow = ConfigChangeRecord | ChangeEnd | "gone" | "refused" | "unknown";

/**
 * How the change ended; undefined: it goes on. Once a later change has replaced its record, the
 * committed configs show how it ended; "unknown": they no longer reach back that far.
 */
function endNow({ mirror }: ControllerParts, begun: BegunChange): EndNow | undefined {
  const lineage = mirror.lineage({ uid: begun.uid, spec: { name: begun.deployment } });
  const change = lineage.change()?.value;
  const deployment = ofLife(mirror.deployment(begun.deployment)?.value, begun);
  if (change?.id === begun.id && !isOver(change)) return undefined;
  if (deployment?.changing === begun.id) return undefined; // its end is written, and not all of it is mirrored
  if (change?.id === begun.id) return change;
  if (deployment === undefined) return "gone";
  const kept = lineage.configs().map(({ value }) => value.generation);
  if (kept.includes(begun.generation)) return { ...begun, committed: true, replicas: [] };
  // The oldest configs are deleted first, so a missing one was committed only if it is older than all.
  const [oldest] = kept;
  return oldest !== undefined && oldest < begun.generation ? "refused" : "unknown";
}

function refused({ deployment }: BegunChange): StatusError {
  const text = `the config of deployment "${deployment}" stayed as it was: replicas refused the change; their reasons are no longer kept`;
  return refusal("RECONFIGURE_REFUSED", text, { metadata: { deployment } });
}

function unknown({ deployment, generation }: BegunChange): StatusError {
  const text = `whether the config of generation ${generation} of deployment "${deployment}" was in use is no longer known: many configs came after it`;
  return refusal("CONFIG_NOT_FOUND", text, { metadata: { deployment, config_generation: String(generation) } });
}

/** Why the change was refused: the reason of each replica, and the fields that a schema refused. */
function refusedBy(change: ConfigChangeRecord): StatusError {
  const violations = change.replicas.map(violationsOf).find((all) => all.length > 0) ?? [];
  return refusal("RECONFIGURE_REFUSED", `the config of deployment "${change.deployment}" stays as it was: ${refusalInWords(change)}`, {
    metadata: { deployment: change.deployment },
    details: [reconfigureFailure(change)],
    ...(violations.length > 0 ? { violations } : {}),
  });
}
