import { type ConfigRecord, configOf, configsKept } from "../../core/config-change.ts";
import type { DeploymentRecord } from "../../core/deployment.ts";
import type { Mirror } from "../mirror.ts";
import { partKey, type Write } from "../store.ts";

/**
 * Writes a deployment's new config, if it has one, also in the record of its revision. Deletes
 * surplus old configs.
 */
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
  const lineage = mirror.lineage(after);
  const kept = lineage.configs();
  const key = partKey(name, configGeneration);
  // A config of an earlier deployment of that name is overwritten.
  const version = mirror.entriesOf("config", name).find((entry) => entry.key === key)?.version ?? 0;
  const old = before?.newestRevision === after.newestRevision ? lineage.revision(revision) : undefined;
  return [
    { put: "config", key, version, value },
    ...kept.slice(0, Math.max(0, kept.length + 1 - configsKept)).map(({ key, version }): Write => ({ delete: "config", key, version })),
    ...(old === undefined
      ? []
      : [
          {
            put: "revision",
            key: old.key,
            version: old.version,
            value: { ...old.value, spec: { ...old.value.spec, ...configFields(spec) }, configGeneration },
          } as const,
        ]),
  ];
}

function configFields({ userConfig, maxOngoingRequests }: DeploymentRecord["spec"]) {
  return { maxOngoingRequests, ...(userConfig === undefined ? {} : { userConfig }) };
}
