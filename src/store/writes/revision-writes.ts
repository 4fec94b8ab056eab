import type { DeploymentRecord, RevisionRecord } from "../../core/deployment.ts";
import { revisionsToForget } from "../../core/generations.ts";
import { hasEnded } from "../../core/replica.ts";
import type { Mirror } from "../mirror.ts";
import { partKey, type Write } from "../store.ts";

/** Writes a deployment's new revision, if it has one. Deletes revisions that need not be kept. */
export function revisionWrites(mirror: Mirror, after: DeploymentRecord, before: DeploymentRecord | undefined): readonly Write[] {
  if (before !== undefined && after.newestRevision === before.newestRevision) return [];
  const { name } = after.spec;
  const { uid, revision, spec, configGeneration, updatedAtMs } = after;
  const value: RevisionRecord = { uid, deployment: name, revision, spec, configGeneration, createdAtMs: updatedAtMs };
  const lineage = mirror.lineage(after);
  const kept = lineage.revisions();
  const inUse = new Set([
    ...lineage.replicas().flatMap(({ value }) => (hasEnded(value.state) ? [] : value.revision)),
    revision,
    ...(before ? [before.revision] : []),
    ...(lineage.progress()?.value.healthyRevisions ?? []).slice(-1),
  ]);
  const forgotten = new Set(revisionsToForget([revision, ...kept.map((entry) => entry.value.revision)], inUse));
  return [
    { put: "revision", key: partKey(name, revision), version: 0, value },
    ...kept.flatMap(({ key, version, value }): Write[] => (forgotten.has(value.revision) ? [{ delete: "revision", key, version }] : [])),
  ];
}
