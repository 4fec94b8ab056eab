import { breatheFirst, pacing } from "../clock/breathe.ts";
import type { Clock } from "../clock/clock.ts";
import { refusal } from "../core/errors.ts";
import { ofLife } from "../core/lineage.ts";
import type { Log } from "../log/log.ts";
import { pageMax } from "./bounds.ts";
import { Lineage, type Named } from "./lineage.ts";
import { MirrorState } from "./mirror-state.ts";
import { type Entry, type Kind, type KindEntry, kinds, type StateChange, type Store, type StoreContent } from "./store.ts";

/** How long one call waits for changes. */
const followMs = 5_000;
/** The longest time to wait until the mirror reaches the store's position. */
export const catchUpMs = 2_000;
const retryFirstMs = 25;
const retryMaxMs = 1_000;
/** How often a full read is repeated because the store changed faster than it was read. */
const loadAttemptsMax = 5;

/** A change of the state. When a listener is called, the mirror has just applied it. */
export type MirrorEvent =
  /** `deployment`: the name of the deployment that the changed object belongs to, if any. */
  | { readonly kind: "change"; readonly change: StateChange; readonly deployment: string | undefined }
  /**
   * Everything was read again, because changes were missed or (`rewound`) the store lost
   * acknowledged writes.
   */
  | { readonly kind: "reset"; readonly rewound: boolean };

export interface MirrorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A process's live copy of the whole state. It follows the change stream, and serves reads, watches
 * and loops. While the store is unavailable it serves what it has, and keeps trying. Invariant: at
 * all times it is the whole state of `position`. Listeners see each position once and in order, or
 * a reset.
 */
export class Mirror {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Set<(event: MirrorEvent) => void>();
  readonly #checks = new Set<() => void>();
  #state: MirrorState;
  #resets = 0;
  #available = true;
  #closed = false;
  /** Ends the follower's present wait. */
  #nudge = new AbortController();
  #following: Promise<void>;

  /**
   * Reads everything, then follows the changes. Fails with STORE_UNAVAILABLE if the store cannot be
   * reached.
   */
  static async open(options: MirrorOptions): Promise<Mirror> {
    return new Mirror(options, await load(options.store));
  }

  private constructor(options: MirrorOptions, state: MirrorState) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#state = state;
    this.#following = this.#follow();
  }

  /** The position of the whole state in this copy. */
  get position(): number {
    return this.#state.position;
  }

  /** Whether the last call to the store succeeded. */
  get available(): boolean {
    return this.#available;
  }

  /**
   * Live views, unordered. They change with the mirror, and a reset replaces them, so get them
   * again after each await.
   */
  deployments(): ReadonlyMap<string, Entry<"deployment">> {
    return this.#state.all("deployment");
  }
  replicas(): ReadonlyMap<string, Entry<"replica">> {
    return this.#state.all("replica");
  }

  deployment(name: string): Entry<"deployment"> | undefined {
    return this.#state.get("deployment", name);
  }
  progress(name: string): Entry<"progress"> | undefined {
    return this.#state.get("progress", name);
  }
  replica(id: string): Entry<"replica"> | undefined {
    return this.#state.get("replica", id);
  }
  /** The records of one deployment, without those of another life of its name. */
  lineage(deployment: Named): Lineage {
    return new Lineage(this.#state, deployment);
  }
  /**
   * The deployment that a record belongs to. Undefined: it is gone, even if another deployment has
   * its name now.
   */
  ownerOf(record: { readonly deployment: string; readonly uid: string }): Entry<"deployment"> | undefined {
    const entry = this.deployment(record.deployment);
    return ofLife(entry?.value, record) && entry;
  }
  /**
   * Every object of the kind that belongs to deployments of that name, in any life of it,
   * unordered.
   */
  entriesOf<K extends Kind>(kind: K, deployment: string): readonly Entry<K>[] {
    return this.#state.of(kind, deployment);
  }
  /** For each deployment, the current change of config or the last one. */
  changes(): ReadonlyMap<string, Entry<"change">> {
    return this.#state.all("change");
  }
  /**
   * The replicas of deployments of that name, in any state, unordered. Replicas of an earlier life
   * may still run.
   */
  replicasOf(deployment: string): readonly Entry<"replica">[] {
    return this.#state.of("replica", deployment);
  }

  /** The whole state of `position`, as it is at the call. */
  content(): Pick<StoreContent, "position" | "entries"> {
    return { position: this.position, entries: kinds.flatMap((kind) => this.#entries(kind)) };
  }

  #entries<K extends Kind>(kind: K): readonly KindEntry[] {
    return [...this.#state.all(kind).values()].map((entry) => ({ kind, entry }) as unknown as KindEntry);
  }

  /**
   * Calls `listener` with every event from now on, in order. The listener must not wait. Returns
   * the function that unsubscribes.
   */
  subscribe(listener: (event: MirrorEvent) => void): () => void {
    const own = (event: MirrorEvent) => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /**
   * Waits until this copy has everything that the store had at the call, so that a caller reads its
   * own writes. Fails with STORE_UNAVAILABLE if the store cannot be reached or this takes longer
   * than {@link catchUpMs}; with CANCELLED if the signal aborts.
   */
  async catchUp(signal?: AbortSignal): Promise<void> {
    const before = this.position;
    const resets = this.#resets;
    const target = await this.#positionOfStore();
    const rewound = () => target < before && this.#resets === resets;
    const reached = () => !rewound() && this.position >= target;
    if (reached()) return;
    if (rewound()) this.#nudge.abort();
    await this.#until(reached, signal);
  }

  /** Waits until this copy has the position of a commit. Fails as `catchUp` does. */
  async reach(position: number, signal?: AbortSignal): Promise<void> {
    if (this.position < position) await this.#until(() => this.position >= position, signal);
  }

  async #positionOfStore(): Promise<number> {
    try {
      const position = await this.#store.position();
      // The follower may be pausing after a failure. The store is back, so the pause can end.
      if (!this.#available) this.#nudge.abort();
      this.#available = true;
      return position;
    } catch (error) {
      this.#available = false;
      throw error;
    }
  }

  #until(reached: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        stopTimer();
        signal?.removeEventListener("abort", cancel);
        this.#checks.delete(check);
        end();
      };
      const late = () =>
        settle(() => reject(refusal("STORE_UNAVAILABLE", "the store's changes do not arrive; try again", { retryAfterMs: retryMaxMs })));
      const cancel = () => settle(() => reject(refusal("CANCELLED", "the caller left")));
      const check = () => {
        if (this.#closed) settle(() => reject(refusal("SHUTTING_DOWN", "this controller is shutting down")));
        else if (reached()) settle(resolve);
      };
      const stopTimer = this.#clock.after(catchUpMs, late);
      signal?.addEventListener("abort", cancel);
      this.#checks.add(check);
      if (signal?.aborted) cancel();
      else check();
    });
  }

  async #follow(): Promise<void> {
    let failures = 0;
    let missed: { readonly rewound: boolean } | undefined;
    while (!this.#closed) {
      this.#nudge = new AbortController();
      try {
        // After a failure it does not wait, to find out at once whether the store is back.
        missed = missed ? await this.#reset(missed.rewound) : await this.#next(failures > 0 ? 0 : followMs);
        if (failures > 0) this.#log.info("the store can be followed again");
        failures = 0;
        this.#available = true;
      } catch (error) {
        if (this.#closed) break;
        this.#available = false;
        if (failures === 0) this.#log.warn({ cause: String(error) }, `the store cannot be followed; retrying in ${retryFirstMs} ms`);
        await this.#clock.sleep(Math.min(retryFirstMs * 2 ** Math.min(failures, 10), retryMaxMs), this.#nudge.signal);
        failures += 1;
      }
    }
  }

  /** Waits for the next changes and applies them. Returns what was missed, if anything. */
  async #next(waitMs: number): Promise<{ readonly rewound: boolean } | undefined> {
    const batch = await this.#store.changes(this.position, waitMs, this.#nudge.signal);
    if (batch.kind === "lost") return batch;
    const pace = pacing(() => this.#clock.nowMs(), breatheFirst);
    for (const change of batch.changes) {
      const deployment = this.#state.apply(change);
      this.#emit({ kind: "change", change, deployment });
      await pace();
    }
    return undefined;
  }

  async #reset(rewound: boolean): Promise<undefined> {
    this.#state = await load(this.#store);
    this.#resets += 1;
    this.#log.warn(
      { position: this.position, rewound },
      rewound ? "the store lost acknowledged writes; read everything again" : "changes of the store were missed; read everything again",
    );
    this.#emit({ kind: "reset", rewound });
  }

  #emit(event: MirrorEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#log.error({ err: error }, "a listener of the state failed; the other listeners are called");
      }
    }
    for (const check of [...this.#checks]) check();
  }

  /** Stops following. The copy can still be read. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#nudge.abort();
    for (const check of [...this.#checks]) check();
    await this.#following;
  }
}

/**
 * Reads everything, page by page, then the changes from the first page up to the position of the
 * last one. The pages may be of different positions, but with all these changes the state is that
 * of one position.
 */
async function load(store: Store): Promise<MirrorState> {
  for (let attempt = 1; attempt <= loadAttemptsMax; attempt++) {
    const state = await loadOnce(store);
    if (state) return state;
  }
  throw refusal("STORE_UNAVAILABLE", "the store changes faster than it can be read; try again", { retryAfterMs: retryMaxMs });
}

/** Undefined: the changes made during the read are no longer kept. */
async function loadOnce(store: Store): Promise<MirrorState | undefined> {
  const state = new MirrorState(await store.position());
  // From this call on, the store notices if the history after this position is replaced by another
  // one.
  if ((await advance(store, state)) === "lost") return undefined;
  let target = state.position;
  for (const kind of kinds) target = Math.max(target, await loadKind(store, kind, state));
  do {
    const moved = await advance(store, state);
    if (moved === "lost" || (moved === 0 && state.position < target)) return undefined;
  } while (state.position < target);
  return state;
}

/** Applies the changes made so far. Returns how many. */
async function advance(store: Store, state: MirrorState): Promise<number | "lost"> {
  const batch = await store.changes(state.position, 0, new AbortController().signal);
  if (batch.kind === "lost") return "lost";
  for (const change of batch.changes) state.apply(change);
  return batch.changes.length;
}

/** Returns the latest position of its pages. */
async function loadKind<K extends Kind>(store: Store, kind: K, state: MirrorState): Promise<number> {
  let after: string | undefined;
  for (;;) {
    const page = await store.list(kind, { limit: pageMax, ...(after === undefined ? {} : { after }) });
    for (const entry of page.entries) state.put(kind, entry);
    after = page.entries.at(-1)?.key;
    if (!page.more) return page.position;
  }
}
