import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { RevisionSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import type { DeploymentRecord, RevisionRecord } from "../core/deployment.ts";
import { refusal } from "../core/errors.ts";
import { revisionBefore, revisionsToForget } from "../core/generations.ts";
import { hasEnded } from "../core/replica.ts";
import type { Mirror } from "../store/mirror.ts";
import { type Entry, partKey, type Write } from "../store/store.ts";
import { specToMessage } from "./convert.ts";

/** What is written when a deployment has a new revision: its record; and those go that need not be kept. */
export function revisionWrites(mirror: Mirror, after: DeploymentRecord, before: DeploymentRecord | undefined): readonly Write[] {
  if (before !== undefined && after.newestRevision === before.newestRevision) return [];
  const { name } = after.spec;
  const { uid, revision, spec, configGeneration, updatedAtMs } = after;
  const value: RevisionRecord = { uid, deployment: name, revision, spec, configGeneration, createdAtMs: updatedAtMs };
  const kept = revisionsOf(mirror, after);
  const inUse = new Set([
    ...replicaRevisions(mirror, name),
    revision,
    ...(before ? [before.revision] : []),
    ...healthyRevisions(mirror, after).slice(-1),
  ]);
  const forgotten = new Set(revisionsToForget([revision, ...kept.map((entry) => entry.value.revision)], inUse));
  return [
    { put: "revision", key: partKey(name, revision), version: 0, value },
    ...kept.flatMap(({ key, version, value }): Write[] => (forgotten.has(value.revision) ? [{ delete: "revision", key, version }] : [])),
  ];
}

/** The revision that a rollback goes to. Fails with REVISION_NOT_FOUND or NO_HEALTHY_REVISION. */
export function revisionToGoBackTo(mirror: Mirror, record: DeploymentRecord, wanted: number): RevisionRecord {
  const { name } = record.spec;
  const kept = new Map(revisionsOf(mirror, record).map(({ value }) => [value.revision, value]));
  const revision = wanted || revisionBefore(record, healthyRevisions(mirror, record), new Set(kept.keys()));
  if (revision === undefined) {
    throw refusal(
      "NO_HEALTHY_REVISION",
      `deployment "${name}" has no other revision that was ever healthy: name one of those that \`drover revisions ${name}\` shows`,
      { metadata: { deployment: name } },
    );
  }
  const found = kept.get(revision);
  if (found !== undefined) return found;
  const there = [...kept.keys()].join(", ");
  throw refusal("REVISION_NOT_FOUND", `deployment "${name}" has no revision ${revision}; there are: ${there}`, {
    metadata: { deployment: name, revision: String(revision) },
  });
}

/** The revisions of a deployment as clients see them, the newest first. */
export function revisionsToMessage(mirror: Mirror, record: DeploymentRecord): readonly MessageInitShape<typeof RevisionSchema>[] {
  const { name } = record.spec;
  const healthy = healthyRevisions(mirror, record);
  const running = mirror.replicasOf(name).filter(({ value }) => value.uid === record.uid && value.state === "RUNNING");
  return revisionsOf(mirror, record)
    .toReversed()
    .map(({ value: { revision, spec, createdAtMs } }) => ({
      revision: BigInt(revision),
      spec: specToMessage(spec),
      createTime: timestampFromMs(createdAtMs),
      current: revision === record.revision,
      wasHealthy: healthy.includes(revision),
      runningReplicas: running.filter(({ value }) => value.revision === revision).length,
    }));
}

/** Of this deployment, not of an earlier one of the same name; the oldest first. */
function revisionsOf(mirror: Mirror, { uid, spec }: DeploymentRecord): readonly Entry<"revision">[] {
  return mirror.revisionsOf(spec.name).filter(({ value }) => value.uid === uid);
}

function healthyRevisions(mirror: Mirror, { uid, spec }: DeploymentRecord): readonly number[] {
  const progress = mirror.progress(spec.name)?.value;
  return progress?.uid === uid ? progress.healthyRevisions : [];
}

function replicaRevisions(mirror: Mirror, deployment: string): readonly number[] {
  return mirror.replicasOf(deployment).flatMap(({ value }) => (hasEnded(value.state) ? [] : value.revision));
}
