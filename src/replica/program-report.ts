import type { BatchCounts } from "../core/traffic/batch-counts.ts";
import { batchMethodsMax, modelsMax } from "../core/traffic/model-bounds.ts";

/** The models of one `multiplexed` function. */
export interface ModelSource {
  readonly maxModels: number;
  /** Loaded or loading; the one used longest ago is the first. */
  names(): readonly string[];
  /** Unloads all. */
  close(): Promise<void>;
}

interface Reported {
  readonly sources: Set<ModelSource>;
  /** By method. */
  readonly batches: Map<string, BatchCounts>;
}

/**
 * The same in every copy of this package: a program may have installed a copy of its own, and the
 * replica's host has another.
 */
const key: unique symbol = Symbol.for("drover.program-report");
const shared = globalThis as { [key]?: Reported };
shared[key] ??= { sources: new Set(), batches: new Map() };
const { sources, batches } = shared[key];

export function addModels(source: ModelSource): void {
  sources.add(source);
}

/** Counts a batch of `items` requests, which have waited so long together. */
export function countBatch(method: string, items: number, waitSeconds: number): void {
  const before = batches.get(method);
  if (before === undefined && batches.size >= batchMethodsMax) return;
  batches.set(method, {
    method,
    batches: (before?.batches ?? 0) + 1,
    items: (before?.items ?? 0) + items,
    waitSeconds: (before?.waitSeconds ?? 0) + waitSeconds,
  });
}

/** What the batched and multiplexed functions of this process report, as fields of a `WatchLoadResponse`. */
export function programReport() {
  const names = new Set([...sources].flatMap((source) => source.names()));
  return {
    models: [...names].slice(-modelsMax),
    // Several functions have models of the same names, as a rule.
    maxModels: Math.max(0, ...[...sources].map(({ maxModels }) => maxModels)),
    batches: [...batches.values()].map((of) => ({
      ...{ method: of.method, batchesTotal: BigInt(of.batches), itemsTotal: BigInt(of.items), waitSecondsTotal: of.waitSeconds },
    })),
  };
}

/** Unloads all models, when the program ends. */
export async function closeModels(): Promise<void> {
  await Promise.all([...sources].map((source) => source.close()));
}
