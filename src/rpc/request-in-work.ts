import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestContext } from "./request-context.ts";

/** A request that a replica works on. */
export interface RequestInWork {
  readonly context: RequestContext;
  /** Metadata that calls by handles take along, besides what they always do. */
  readonly forwardMetadata: readonly string[];
  /** Whether it is answered: what goes on after that belongs to no request. */
  isOver: boolean;
  /** Called once it is over. */
  readonly ends: (() => void)[];
}

/**
 * The same in every copy of this package: a program may have installed a copy of its own, and the
 * replica's host has another.
 */
const key: unique symbol = Symbol.for("drover.request-in-work");
const shared = globalThis as { [key]?: AsyncLocalStorage<RequestInWork> };
shared[key] ??= new AsyncLocalStorage();
const storage = shared[key];

/** The request that the present function is called for. Undefined: there is none. */
export function requestInWork(): RequestInWork | undefined {
  const request = storage.getStore();
  return request?.isOver ? undefined : request;
}

/** Runs `work` for the request, and all that `work` starts. */
export async function workOn(request: RequestInWork, work: () => Promise<void>): Promise<void> {
  try {
    await storage.run(request, work);
  } finally {
    request.isOver = true;
    for (const end of request.ends) end();
  }
}

/**
 * The context of the request in work, in any function that its method calls. Undefined: outside of
 * requests, also in what a request has started and not waited for, once it is answered.
 */
export function context(): RequestContext | undefined {
  return requestInWork()?.context;
}
