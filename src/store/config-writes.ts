import { type ConfigRecord, configOf, configsKept } from "../core/config-change.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import type { Mirror } from "./mirror.ts";
import { partKey, type Write } from "./store.ts";

/** What is written when another config is committed: its record, and that its revision has it; and the oldest go. */
export function configWrites(
  mirror: Mirror,
  after: DeploymentRecord,
  before: DeploymentRecord | undefined,
  author: string,
): readonly Write[] {
  if (after.configGeneration === before?.configGeneration) return [];
  const { name } = after.spec;
  const { uid, revision, spec, configGeneration, updatedAtMs } = after;
  const value: ConfigRecord = { ...configOf(spec, configGeneration), uid, deployment: name, revision, author, atMs: updatedAtMs };
  const known = mirror.configsOf(name);
  const kept = known.filter((entry) => entry.value.uid === uid);
  // One of an earlier deployment of that name is written over.
  const version = known.find((entry) => entry.value.uid !== uid && entry.value.generation === configGeneration)?.version ?? 0;
  const old = before?.newestRevision === after.newestRevision ? mirror.findRevision(name, revision) : undefined;
  return [
    { put: "config", key: partKey(name, configGeneration), version, value },
    ...kept.slice(0, Math.max(0, kept.length + 1 - configsKept)).map(({ key, version }): Write => ({ delete: "config", key, version })),
    ...(old?.value.uid === uid
      ? [
          {
            put: "revision",
            key: old.key,
            version: old.version,
            value: { ...old.value, spec: { ...old.value.spec, ...configFields(spec) }, configGeneration },
          } as const,
        ]
      : []),
  ];
}

function configFields({ userConfig, maxOngoingRequests }: DeploymentRecord["spec"]) {
  return { maxOngoingRequests, ...(userConfig === undefined ? {} : { userConfig }) };
}
