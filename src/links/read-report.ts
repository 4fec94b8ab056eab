import type { WatchLoadResponse } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { BatchCounts } from "../core/traffic/batch-counts.ts";
import { batchMethodsMax, modelNameMax, modelsMax } from "../core/traffic/model-bounds.ts";
import type { ReplicaContact } from "./replica-port.ts";

/** What a report says of models; what exceeds the contract's bounds is left out. */
export function modelsOf({ models, maxModels }: WatchLoadResponse): Pick<ReplicaContact, "models" | "maxModels"> {
  if (maxModels <= 0 && models.length === 0) return { models: undefined, maxModels: undefined };
  return {
    models: models.filter((name) => Buffer.byteLength(name) <= modelNameMax).slice(0, modelsMax),
    maxModels: maxModels > 0 ? maxModels : undefined,
  };
}

/** What a report says of batches; what exceeds the contract's bound is left out. */
export function batchesOf({ batches }: WatchLoadResponse): readonly BatchCounts[] | undefined {
  if (batches.length === 0) return undefined;
  return batches.slice(0, batchMethodsMax).map(({ method, batchesTotal, itemsTotal, waitSecondsTotal }) => ({
    ...{ method, batches: Number(batchesTotal), items: Number(itemsTotal), waitSeconds: waitSecondsTotal },
  }));
}

/** Whether two reports say the same of models. Their order counts: it says which was used last. */
export function sameModels(one: ReturnType<typeof modelsOf>, other: Pick<ReplicaContact, "models" | "maxModels">): boolean {
  const [names, otherNames] = [one.models, other.models];
  if (one.maxModels !== other.maxModels || names?.length !== otherNames?.length) return false;
  return names === undefined || names.every((name, index) => name === otherNames?.[index]);
}
