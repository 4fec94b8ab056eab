import type { Clock } from "../clock/clock.ts";
import { refusal } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { answersBytesMax, batchMax, changesBytesMax, changesKept, overheadBytes, pageMax, requestTtlMs } from "./bounds.ts";
import { joined, split } from "./contents.ts";
import { KeptContents } from "./kept-contents.ts";
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
  type StoreSize,
  type Write,
} from "./store.ts";

/** A fault that a simulation can cause. */
export type StoreFault = "none" | "unavailable";

/** A value kept as JSON, so that what was written cannot be changed. Its contents are apart. */
interface KeptJson {
  readonly json: string;
  readonly references: string;
}
interface KeptObject extends KeptJson {
  readonly version: number;
}
interface KeptChange extends Omit<StateChange, "value"> {
  /** Undefined: the object was deleted. */
  readonly kept: KeptJson | undefined;
}
interface StoredAnswer extends KeptJson {
  readonly fingerprint: string;
  readonly expiresAtMs: number;
}

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** How many changes are kept for watchers. Default: {@link changesKept}. */
  readonly changesKept?: number;
  /** Default: {@link changesBytesMax}. */
  readonly changesBytesMax?: number;
  /** Default: {@link answersBytesMax}. */
  readonly answersBytesMax?: number;
}

/**
 * The in-memory twin of the store in Redis: the same answers to the same calls, by the given clock
 * alone.
 */
export class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #changesKept: number;
  readonly #changesBytesMax: number;
  readonly #answersBytesMax: number;
  #contents = KeptContents.empty();
  readonly #objects = Object.fromEntries(kinds.map((kind) => [kind, new Map<string, KeptObject>()])) as Readonly<
    Record<Kind, Map<string, KeptObject>>
  >;
  /** The latest changes by position, in order; the last one is at `#position`. */
  readonly #changes = new Map<number, KeptChange>();
  #position = 0;
  /** In the order of their creation, so the oldest come first. */
  readonly #answers = new Map<string, StoredAnswer>();
  #lease: { readonly holder: string; readonly epoch: number; readonly expiresAtMs: number } | undefined;
  #lastEpoch = 0;
  readonly #controllers = new Map<string, ControllerInfo & { readonly expiresAtMs: number }>();
  readonly #waiting = new Set<() => void>();
  #fault: StoreFault = "none";
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
    this.#changesKept = options.changesKept ?? changesKept;
    this.#changesBytesMax = options.changesBytesMax ?? changesBytesMax;
    this.#answersBytesMax = options.answersBytesMax ?? answersBytesMax;
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
    const [changes, position, lease, lastEpoch] = [new Map(this.#changes), this.#position, this.#lease, this.#lastEpoch];
    const [answers, contents] = [new Map(this.#answers), this.#contents.copy()];
    return () => {
      for (const [kind, kept] of objects) refill<string, KeptObject>(this.#objects[kind], kept);
      refill(this.#answers, answers);
      this.#contents = contents.copy();
      refill(this.#changes, changes);
      this.#position = position;
      this.#lease = lease;
      this.#lastEpoch = lastEpoch;
      this.#wake();
    };
  }

  async get<K extends Kind>(kind: K, key: string): Promise<Entry<K> | undefined> {
    this.#reach();
    const kept = this.#objects[kind].get(key);
    return kept && this.#entryOf<K>(key, kept);
  }

  async list<K extends Kind>(kind: K, page: { readonly after?: string; readonly limit: number }) {
    this.#reach();
    const { after } = page;
    const limit = Math.min(page.limit, pageMax);
    const rest = [...this.#objects[kind]].filter(([key]) => after === undefined || byBytes(key, after) > 0);
    rest.sort(([a], [b]) => byBytes(a, b));
    const entries = rest.slice(0, limit).map(([key, kept]) => this.#entryOf<K>(key, kept));
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
    if (answered && !(answered.kind === "replayed" && isSame(this.#answers.get(request.id), request.replaces))) return answered;
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
    // What is written may refer to the contents of what it replaces: those are released at the end.
    const released: KeptObject[] = [];
    const positions = writes.map((write) => this.#write(write, released));
    this.#forgetExpired();
    if (request) this.#remember(request);
    for (const { references } of released) this.#contents.hold("objects", references, -1);
    this.#trim();
    this.#wake();
    return { kind: "committed", positions };
  }

  #write(write: Write, released: KeptObject[]): number {
    this.#position += 1;
    const position = this.#position;
    const kind = kindOf(write);
    const before = this.#objects[kind].get(write.key);
    if (before !== undefined) released.push(before);
    const kept = "put" in write ? this.#keep("objects", write.value) : undefined;
    if (kept === undefined) this.#objects[kind].delete(write.key);
    else this.#objects[kind].set(write.key, { version: position, ...kept });
    this.#changes.set(position, { position, kind, key: write.key, kept });
    this.#contents.hold("changes", kept?.references ?? "", 1);
    this.#contents.charge("changes", bytesOf(write.key, kept));
    return position;
  }

  #keep(holder: "objects" | "answers", value: unknown): KeptJson {
    const { json, references, contents } = split(value);
    this.#contents.add(contents);
    this.#contents.hold(holder, references, 1);
    return { json, references };
  }

  /** Drops the oldest changes and answers beyond the bounds. */
  #trim(): void {
    const isFull = () => this.#changes.size > this.#changesKept || this.#contents.bytesOf("changes") > this.#changesBytesMax;
    for (const [position, { key, kept }] of this.#changes) {
      if (this.#changes.size < 2 || !isFull()) break;
      this.#changes.delete(position);
      this.#contents.hold("changes", kept?.references ?? "", -1);
      this.#contents.charge("changes", -bytesOf(key, kept));
    }
    for (const id of this.#answers.keys()) {
      if (this.#answers.size < 2 || this.#contents.bytesOf("answers") <= this.#answersBytesMax) break;
      this.#forget(id);
    }
  }

  #remember({ id, fingerprint, answer }: NonNullable<CommitOptions["request"]>): void {
    const kept = this.#keep("answers", answer);
    this.#forget(id);
    this.#answers.set(id, { ...kept, fingerprint, expiresAtMs: this.#clock.nowMs() + requestTtlMs });
    this.#contents.charge("answers", bytesOf(id, kept));
  }

  #forgetExpired(): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, { expiresAtMs }] of this.#answers) {
      if (expiresAtMs > nowMs) break;
      this.#forget(id);
    }
  }

  #forget(id: string): void {
    const kept = this.#answers.get(id);
    if (kept === undefined) return;
    this.#answers.delete(id);
    this.#contents.hold("answers", kept.references, -1);
    this.#contents.charge("answers", -bytesOf(id, kept));
  }

  async recall(requestId: string, fingerprint: string): Promise<CommitResult | undefined> {
    this.#reach();
    return this.#recall(requestId, fingerprint);
  }

  #recall(requestId: string, fingerprint: string): CommitResult | undefined {
    const kept = this.#answers.get(requestId);
    if (!kept || kept.expiresAtMs <= this.#clock.nowMs()) return undefined;
    return kept.fingerprint === fingerprint ? { kind: "replayed", answer: this.#whole<Json>(kept) } : { kind: "reused" };
  }

  async changes(after: number, waitMs: number, signal: AbortSignal): Promise<ChangeBatch> {
    this.#reach();
    if (after === this.#position && waitMs > 0 && !signal.aborted) {
      await this.#wait(waitMs, signal);
      if (signal.aborted) return { kind: "changes", changes: [] };
      this.#reach();
    }
    const oldest = this.#position - this.#changes.size;
    if (after > this.#position || after < oldest) return { kind: "lost", position: this.#position, rewound: after > this.#position };
    const positions = Array.from({ length: Math.min(this.#position - after, batchMax) }, (_, i) => after + i + 1);
    return { kind: "changes", changes: positions.map((position) => this.#changeOf(this.#changes.get(position) as KeptChange)) };
  }

  #entryOf<K extends Kind>(key: string, kept: KeptObject): Entry<K> {
    return { key, version: kept.version, value: this.#whole(kept) };
  }

  #changeOf({ position, kind, key, kept }: KeptChange): StateChange {
    return { position, kind, key, value: kept === undefined ? undefined : this.#whole(kept) };
  }

  #whole<T>({ json, references }: KeptJson): T {
    const whole = joined<T>(json, references, this.#contents);
    if (whole === undefined) throw new Error("the store dropped a content that is in use");
    return whole;
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

  async size(): Promise<StoreSize> {
    this.#reach();
    const bytes = { changesBytes: this.#contents.bytesOf("changes"), answersBytes: this.#contents.bytesOf("answers") };
    return { changes: this.#changes.size, ...bytes, ...this.#contents.size };
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

/** Whether this is the kept answer. */
function isSame(kept: KeptJson | undefined, answer: Json | undefined): boolean {
  if (kept === undefined || answer === undefined) return false;
  const { json, references } = split(answer);
  return kept.json === json && kept.references === references;
}

function bytesOf(key: string, kept: KeptJson | undefined): number {
  return Buffer.byteLength(key) + Buffer.byteLength(kept?.json ?? "") + (kept?.references ?? "").length + overheadBytes;
}
