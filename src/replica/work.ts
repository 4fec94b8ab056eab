import { AsyncLocalStorage } from "node:async_hooks";
import type { BatchCounts } from "../core/traffic/batch-counts.ts";
import { modelHeader } from "../core/traffic/model-bounds.ts";
import type { Interceptor } from "../rpc/server.ts";
import type { CallContext } from "../rpc/service.ts";

/** What the running code works for: one request, or a batch of them. */
export interface Work {
  /** The model that it needs, by the metadata key `drover-model`. Undefined: none. */
  readonly model: string | undefined;
  /** Aborts when no caller waits any more. */
  readonly signal: AbortSignal;
  /** When the caller stops waiting, milliseconds since 1970; undefined: never. */
  readonly deadlineMs: number | undefined;
  /** Called when the work is over. */
  readonly ends: (() => void)[];
}

/** The models of one `multiplexed` function. */
export interface ModelSource {
  readonly maxModels: number;
  /** Loaded or loading; the one used longest ago is the first. */
  names(): readonly string[];
  /** Unloads all. */
  close(): Promise<void>;
}

interface Shared {
  readonly works: AsyncLocalStorage<Work>;
  readonly sources: Set<ModelSource>;
  /** By method. */
  readonly batches: Map<string, BatchCounts>;
  /** Whether the program has a function that asks for the present work. */
  used: boolean;
}

/**
 * The same in every copy of this package: a program may have installed a copy of its own, and the
 * replica's host has another.
 */
const key: unique symbol = Symbol.for("drover.work");
const globals = globalThis as { [key]?: Shared };
globals[key] ??= { works: new AsyncLocalStorage(), sources: new Set(), batches: new Map(), used: false };

/** What `batched` and `multiplexed` functions share with the replica's host. */
export const shared: Shared = globals[key];

/** What the present function works for. Undefined: no request. */
export const presentWork = (): Work | undefined => shared.works.getStore();

/** Runs `run` for that work, and all that it starts. */
export async function workOn<Result>(work: Work, run: () => Promise<Result>): Promise<Result> {
  try {
    return await shared.works.run(work, run);
  } finally {
    for (const end of work.ends) end();
  }
}

/** Makes each request the present work of its program, where the program asks for it. */
export const requestWorks: Interceptor = (call, next) => (shared.used ? workOn(new RequestWork(call), next) : next());

class RequestWork implements Work {
  readonly ends: (() => void)[] = [];
  readonly #call: CallContext;

  constructor(call: CallContext) {
    this.#call = call;
  }

  get model(): string | undefined {
    const [model] = this.#call.metadata.get(modelHeader);
    return typeof model === "string" && model !== "" ? model : undefined;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get deadlineMs(): number | undefined {
    return this.#call.deadlineMs;
  }
}
