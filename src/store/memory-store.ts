import type { Clock } from "../clock/clock.ts";
import { refusal } from "../core/errors.ts";
import { batchMax, changesKept, pageMax, requestTtlMs } from "./bounds.ts";
import {
  type ChangeBatch,
  type CommitOptions,
  type CommitResult,
  type ControllerInfo,
  type Entry,
  type Kind,
  kinds,
  type LeaseAnswer,
  type StateChange,
  type Store,
  type Write,
} from "./store.ts";

/** A fault that a simulation can cause. */
export type StoreFault = "none" | "unavailable";

/** A value kept as JSON, so that what was written cannot be changed. */
interface KeptObject {
  readonly version: number;
  readonly json: string;
}
interface KeptChange extends Omit<StateChange, "value"> {
  readonly json: string | undefined;
}

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** How many changes are kept for watchers. Default: {@link changesKept}. */
  readonly changesKept?: number;
}

/**
 * The in-memory twin of the store in Redis: the same answers to the same calls, by the given clock
 * alone.
 */
export class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #changesKept: number;
  readonly #objects = Object.fromEntries(kinds.map((kind) => [kind, new Map<string, KeptObject>()])) as Readonly<
    Record<Kind, Map<string, KeptObject>>
  >;
  /** The latest changes; the last one is at `#position`. */
  #changes: KeptChange[] = [];
  #position = 0;
  /** In the order of their creation, so the oldest come first. */
  readonly #requests = new Map<string, { readonly fingerprint: string; readonly answer: string; readonly expiresAtMs: number }>();
  #lease: { readonly holder: string; readonly epoch: number; readonly expiresAtMs: number } | undefined;
  #lastEpoch = 0;
  readonly #controllers = new Map<string, ControllerInfo & { readonly expiresAtMs: number }>();
  readonly #waiting = new Set<() => void>();
  #fault: StoreFault = "none";
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
    this.#changesKept = options.changesKept ?? changesKept;
  }

  /**
   * While `unavailable`, every call fails as if Redis could not be reached. What was written stays.
   */
  setFault(fault: StoreFault): void {
    this.#fault = fault;
    this.#wake();
  }

  /** Returns a function that restores the present state, like a Redis that lost its last writes. */
  snapshot(): () => void {
    const objects = kinds.map((kind) => [kind, new Map(this.#objects[kind])] as const);
    const [changes, position, lease, lastEpoch] = [[...this.#changes], this.#position, this.#lease, this.#lastEpoch];
    const requests = new Map(this.#requests);
    return () => {
      for (const [kind, kept] of objects) refill<string, KeptObject>(this.#objects[kind], kept);
      refill(this.#requests, requests);
      this.#changes = [...changes];
      this.#position = position;
      this.#lease = lease;
      this.#lastEpoch = lastEpoch;
      this.#wake();
    };
  }

  async get<K extends Kind>(kind: K, key: string): Promise<Entry<K> | undefined> {
    this.#reach();
    const kept = this.#objects[kind].get(key);
    return kept && entryOf<K>(key, kept);
  }

  async list<K extends Kind>(kind: K, page: { readonly after?: string; readonly limit: number }) {
    this.#reach();
    const { after } = page;
    const limit = Math.min(page.limit, pageMax);
    const rest = [...this.#objects[kind]].filter(([key]) => after === undefined || byBytes(key, after) > 0);
    rest.sort(([a], [b]) => byBytes(a, b));
    const entries = rest.slice(0, limit).map(([key, kept]) => entryOf<K>(key, kept));
    return { entries, position: this.#position, more: rest.length > limit };
  }

  async position(): Promise<number> {
    this.#reach();
    return this.#position;
  }

  async commit(writes: readonly Write[], options: CommitOptions = {}): Promise<CommitResult> {
    this.#reach();
    const { epoch, request } = options;
    const answered = request && this.#recall(request.id, request.fingerprint);
    if (answered && !(answered.kind === "replayed" && answered.answer === request.replaces)) return answered;
    const holding = this.#leaseNow()?.epoch ?? 0;
    if (epoch !== undefined && epoch !== holding) return { kind: "fenced", epoch: holding };
    const read = [
      ...(options.unchanged ?? []),
      ...writes.map((write) => ({ kind: kindOf(write), key: write.key, version: write.version })),
    ];
    for (const { kind, key, version } of read) {
      const found = this.#objects[kind].get(key)?.version ?? 0;
      if (found !== version) return { kind: "conflict", key, found };
    }
    const positions = writes.map((write) => this.#write(write));
    if (request) this.#remember(request);
    if (this.#changes.length > 2 * this.#changesKept) this.#changes = this.#changes.slice(-this.#changesKept);
    this.#wake();
    return { kind: "committed", positions };
  }

  #write(write: Write): number {
    this.#position += 1;
    const position = this.#position;
    const kind = kindOf(write);
    const json = "put" in write ? JSON.stringify(write.value) : undefined;
    if (json === undefined) this.#objects[kind].delete(write.key);
    else this.#objects[kind].set(write.key, { version: position, json });
    this.#changes.push({ position, kind, key: write.key, json });
    return position;
  }

  #remember(request: NonNullable<CommitOptions["request"]>): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, kept] of this.#requests) {
      if (kept.expiresAtMs > nowMs) break;
      this.#requests.delete(id);
    }
    this.#requests.delete(request.id);
    this.#requests.set(request.id, { fingerprint: request.fingerprint, answer: request.answer, expiresAtMs: nowMs + requestTtlMs });
  }

  async recall(requestId: string, fingerprint: string): Promise<CommitResult | undefined> {
    this.#reach();
    return this.#recall(requestId, fingerprint);
  }

  #recall(requestId: string, fingerprint: string): CommitResult | undefined {
    const kept = this.#requests.get(requestId);
    if (!kept || kept.expiresAtMs <= this.#clock.nowMs()) return undefined;
    return kept.fingerprint === fingerprint ? { kind: "replayed", answer: kept.answer } : { kind: "reused" };
  }

  async changes(after: number, waitMs: number, signal: AbortSignal): Promise<ChangeBatch> {
    this.#reach();
    if (after === this.#position && waitMs > 0 && !signal.aborted) {
      await this.#wait(waitMs, signal);
      if (signal.aborted) return { kind: "changes", changes: [] };
      this.#reach();
    }
    const oldest = this.#position - this.#changes.length;
    if (after > this.#position || after < oldest) return { kind: "lost", position: this.#position, rewound: after > this.#position };
    const kept = this.#changes.slice(after - oldest, after - oldest + batchMax);
    return { kind: "changes", changes: kept.map(changeOf) };
  }

  #wait(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        stopTimer();
        signal.removeEventListener("abort", done);
        this.#waiting.delete(done);
        resolve();
      };
      const stopTimer = this.#clock.after(waitMs, done);
      signal.addEventListener("abort", done);
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  async acquireLease(holder: string, ttlMs: number): Promise<LeaseAnswer> {
    this.#reach();
    const nowMs = this.#clock.nowMs();
    const held = this.#leaseNow();
    if (held && held.holder !== holder) return { held: false, holder: held.holder, remainingMs: held.expiresAtMs - nowMs };
    if (!held) this.#lastEpoch = Math.max(this.#lastEpoch + 1, nowMs);
    this.#lease = { holder, epoch: this.#lastEpoch, expiresAtMs: nowMs + ttlMs };
    return { held: true, epoch: this.#lastEpoch };
  }

  async releaseLease(holder: string): Promise<void> {
    this.#reach();
    if (this.#leaseNow()?.holder === holder) this.#lease = undefined;
  }

  #leaseNow() {
    return this.#lease && this.#lease.expiresAtMs > this.#clock.nowMs() ? this.#lease : undefined;
  }

  async announce(controller: ControllerInfo, ttlMs: number): Promise<void> {
    this.#reach();
    this.#controllers.set(controller.id, { ...controller, expiresAtMs: this.#clock.nowMs() + ttlMs });
  }

  async controllers() {
    this.#reach();
    const nowMs = this.#clock.nowMs();
    for (const [id, { expiresAtMs }] of this.#controllers) if (expiresAtMs <= nowMs) this.#controllers.delete(id);
    const controllers = [...this.#controllers.values()].map(({ id, startedAtMs }) => ({ id, startedAtMs }));
    const lease = this.#leaseNow();
    return { controllers: controllers.sort((a, b) => byBytes(a.id, b.id)), leader: lease && { id: lease.holder, epoch: lease.epoch } };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
  }

  #reach(): void {
    if (this.#fault === "none" && !this.#closed) return;
    throw refusal("STORE_UNAVAILABLE", "the store cannot be reached; try again", { retryAfterMs: 1_000 });
  }
}

function refill<K, V>(map: Map<K, V>, entries: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}

function kindOf(write: Write): Kind {
  return "put" in write ? write.put : write.delete;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function entryOf<K extends Kind>(key: string, kept: KeptObject): Entry<K> {
  return { key, version: kept.version, value: JSON.parse(kept.json) };
}

function changeOf({ position, kind, key, json }: KeptChange): StateChange {
  return { position, kind, key, value: json === undefined ? undefined : JSON.parse(json) };
}
