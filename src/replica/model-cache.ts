import type { RequestInWork } from "../rpc/request-in-work.ts";
import type { ModelSource } from "./program-report.ts";

interface Held<Model> {
  readonly name: string;
  readonly ready: Promise<Model>;
  /** `waiting`: for a place in memory. `loading` and `loaded` have one. */
  state: "waiting" | "loading" | "loaded";
  /** The requests that use it, or wait for it. */
  users: number;
  /** Begins to load it. */
  readonly load: () => void;
}

/**
 * Models by name, at most `maxModels` in memory. To make room, the one used longest ago is unloaded,
 * but none that a request uses. A request uses the last model that it has got, until it ends.
 * Invariant: models that are loaded, loading or unloading are at most `maxModels`.
 */
export class ModelCache<Model> implements ModelSource {
  readonly maxModels: number;
  readonly #load: (name: string) => Promise<Model>;
  readonly #unload: (model: Model) => Promise<void>;
  /** The one used longest ago is the first. */
  readonly #held = new Map<string, Held<Model>>();
  /** Places in memory that are taken. */
  #taken = 0;
  #unloading = 0;
  /** Those that wait for a place, in the order in which they were asked for. */
  readonly #turns = new Set<Held<Model>>();
  /** What each request uses. */
  readonly #used = new WeakMap<RequestInWork, Held<Model>>();

  /** `unload` must not reject, and must end. */
  constructor(maxModels: number, load: (name: string) => Promise<Model>, unload: (model: Model) => Promise<void>) {
    this.maxModels = maxModels;
    this.#load = load;
    this.#unload = unload;
  }

  names(): readonly string[] {
    return [...this.#held.values()].flatMap(({ name, state }) => (state === "waiting" ? [] : name));
  }

  /**
   * The model, which is loaded if it is not held. Rejects with what `load` throws, and then the next
   * request tries again; or when the request's caller leaves. `request`: what uses it. Undefined: no
   * request.
   */
  async get(name: string, request: RequestInWork | undefined): Promise<Model> {
    const held = this.#held.get(name) ?? this.#hold(name);
    this.#held.delete(name);
    this.#held.set(name, held);
    if (request !== undefined) this.#useUntilEnd(held, request);
    held.users++;
    this.#serveTurns();
    try {
      return await untilLeft(held.ready, request?.context.signal);
    } finally {
      this.#leave(held);
    }
  }

  /** Unloads all that is loaded. */
  async close(): Promise<void> {
    const all = [...this.#held.values()].filter(({ state }) => state !== "waiting");
    this.#held.clear();
    await Promise.allSettled(all.map(async ({ ready }) => this.#unload(await ready)));
  }

  #hold(name: string): Held<Model> {
    const { promise: ready, resolve, reject } = Promise.withResolvers<Model>();
    const held: Held<Model> = { name, ready, state: "waiting", users: 0, load: () => void this.#load(name).then(resolve, reject) };
    ready.then(
      () => {
        held.state = "loaded";
        this.#serveTurns();
      },
      () => this.#forget(held),
    );
    this.#held.set(name, held);
    this.#turns.add(held);
    return held;
  }

  /** It could not be loaded. */
  #forget(held: Held<Model>): void {
    if (this.#held.get(held.name) === held) this.#held.delete(held.name);
    this.#taken--;
    this.#serveTurns();
  }

  #useUntilEnd(held: Held<Model>, request: RequestInWork): void {
    const before = this.#used.get(request);
    this.#used.set(request, held);
    held.users++;
    if (before !== undefined) this.#leave(before);
    else
      request.ends.push(() => {
        const last = this.#used.get(request);
        if (last !== undefined) this.#leave(last);
      });
  }

  #leave(held: Held<Model>): void {
    held.users--;
    // Nobody waits for it any more, and it was not begun.
    if (held.users === 0 && this.#turns.delete(held)) this.#held.delete(held.name);
    this.#serveTurns();
  }

  /** Loads what waits as far as there is room, and makes room for the rest. */
  #serveTurns(): void {
    for (const held of this.#turns) {
      if (this.#taken === this.maxModels) break;
      this.#turns.delete(held);
      this.#taken++;
      held.state = "loading";
      held.load();
    }
    for (const held of this.#held.values()) {
      if (this.#turns.size <= this.#unloading) return;
      // Not one that is still loading: that may take for ever, and another may be free.
      if (held.state === "loaded" && held.users === 0) void this.#makeRoom(held);
    }
  }

  async #makeRoom(held: Held<Model>): Promise<void> {
    this.#held.delete(held.name);
    this.#unloading++;
    await this.#unload(await held.ready);
    this.#taken--;
    this.#unloading--;
    this.#serveTurns();
  }
}

/** The promise, or the reason of the signal once that aborts. */
function untilLeft<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
