import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ReconfiguredReplicaSchema, ReconfigureOutcome } from "../../gen/drover/v1/controller_service_pb.ts";
import { type ConfigChangeRecord, isOver, type ReplicaOutcome, violationsOf } from "../core/config-change.ts";
import type { DeploymentRecord, DeploymentSpec } from "../core/deployment.ts";
import { refusal } from "../core/errors.ts";
import { outcomeInWords, refusalInWords } from "../core/words.ts";
import type { Write } from "../store/store.ts";
import { beginChange } from "../store/writes/change-writes.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { untilTold } from "./until-told.ts";

/** How long the end of a change is waited for where the caller has no deadline: longer than all its steps may take. */
const overMaxMs = 120_000;
/** Replicas whose outcome is told in the details of an error, and the longest text of each. */
const toldMax = 20;
const toldCharsMax = 200;

/** What a change is begun with. */
export interface Begin {
  readonly spec: DeploymentSpec;
  readonly dryRun: boolean;
  readonly author: string;
  readonly request?: { readonly id: string; readonly fingerprint: string };
}

/** What is written, beside the deployment that says so, when a change of its config begins. */
export function beginWrite({ mirror, clock }: ControllerParts, after: DeploymentRecord, begin: Begin): Write {
  const { uid, changing: id = "" } = after;
  const generation = after.newestConfigGeneration + (begin.dryRun ? 1 : 0);
  const deployment = after.spec.name;
  const value: ConfigChangeRecord = {
    ...begin,
    uid,
    deployment,
    id,
    generation,
    startedAtMs: clock.nowMs(),
    step: "PREPARE",
    replicas: [],
  };
  return beginChange(mirror, value);
}

/** The change once it is over. Fails with UNAVAILABLE where nobody makes it, or it is not known what became of it. */
export async function untilOver(
  { mirror, clock, closing }: ControllerParts,
  name: string,
  id: string,
  signal: AbortSignal,
): Promise<ConfigChangeRecord> {
  const change = () => mirror.changes().get(name)?.value;
  await mirror.catchUp();
  await untilTold(mirror, clock, overMaxMs, AbortSignal.any([signal, closing]), () => {
    const now = change();
    return now === undefined ? mirror.deployment(name) === undefined : now.id !== id || isOver(now);
  });
  const now = change();
  if (now?.id === id && isOver(now)) return now;
  if (signal.aborted && !closing.aborted) throw refusal("CANCELLED", "the caller left; the change of config goes on");
  throw refusal("NO_REPLICA", `the change of config of deployment "${name}" is not over: look at it again (\`drover configs ${name}\`)`, {
    retryAfterMs: 1_000,
  });
}

/** Throws why the change was refused, if it was: the reason of each replica, and the fields that a schema refused. */
export function expectAccepted(change: ConfigChangeRecord): ConfigChangeRecord {
  if (change.step !== "REFUSED") return change;
  const violations = change.replicas.map(violationsOf).find((all) => all.length > 0) ?? [];
  const told = change.replicas.slice(0, toldMax).map((replica) => {
    const { replicaId, outcome } = replica;
    const message = outcomeInWords(replica);
    return [replicaId, `${outcome}${message === "" ? "" : `: ${message.slice(0, toldCharsMax)}`}`] as const;
  });
  throw refusal("RECONFIGURE_REFUSED", `the config of deployment "${change.deployment}" stays as it was: ${refusalInWords(change)}`, {
    metadata: { deployment: change.deployment, ...Object.fromEntries(told) },
    ...(violations.length > 0 ? { violations } : {}),
  });
}

const outcomes: Readonly<Record<ReplicaOutcome["outcome"], ReconfigureOutcome>> = {
  ACCEPTED: ReconfigureOutcome.ACCEPTED,
  APPLIED: ReconfigureOutcome.APPLIED,
  REFUSED: ReconfigureOutcome.REFUSED,
  REVERTED: ReconfigureOutcome.REVERTED,
  REPLACED: ReconfigureOutcome.REPLACED,
};

/** What each replica made of it. */
export function replicasToMessage({ replicas }: ConfigChangeRecord): MessageInitShape<typeof ReconfiguredReplicaSchema>[] {
  return replicas.map((one) => ({ replicaId: one.replicaId, outcome: outcomes[one.outcome], message: outcomeInWords(one) }));
}
