import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ListRevisionsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import type { DeploymentRecord, RevisionRecord } from "../core/deployment.ts";
import { refusal } from "../core/errors.ts";
import { revisionBefore } from "../core/generations.ts";
import type { Mirror } from "../store/mirror.ts";
import { specToMessage } from "./convert.ts";
import { newestFirst, type PagedList } from "./pages.ts";

/** The revision that a rollback goes to. Fails with REVISION_NOT_FOUND or NO_HEALTHY_REVISION. */
export function revisionToGoBackTo(mirror: Mirror, record: DeploymentRecord, wanted: number): RevisionRecord {
  const { name } = record.spec;
  const lineage = mirror.lineage(record);
  const kept = new Map(lineage.revisions().map(({ value }) => [value.revision, value]));
  const healthy = lineage.progress()?.value.healthyRevisions ?? [];
  const revision = wanted || revisionBefore(record, healthy, new Set(kept.keys()));
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
export function revisionsOf(mirror: Mirror, record: DeploymentRecord): PagedList<typeof ListRevisionsResponseSchema, RevisionRecord> {
  const lineage = mirror.lineage(record);
  const healthy = lineage.progress()?.value.healthyRevisions ?? [];
  const running = lineage.replicas().filter(({ value }) => value.state === "RUNNING");
  const toMessage = ({ revision, spec, createdAtMs }: RevisionRecord) => ({
    revision: BigInt(revision),
    spec: specToMessage(spec),
    createTime: timestampFromMs(createdAtMs),
    current: revision === record.revision,
    wasHealthy: healthy.includes(revision),
    runningReplicas: running.filter(({ value }) => value.revision === revision).length,
  });
  return {
    items: lineage.revisions().map(({ value }) => value),
    keyOf: ({ revision }) => newestFirst(revision),
    answer: (revision) => ({ revisions: [toMessage(revision)] }),
  };
}
