import type { Clock } from "../clock/clock.ts";
import type { Json } from "../core/json.ts";
import type { StoreTrouble } from "../core/store-trouble.ts";
import { answersBytesMax, batchMax, changesBytesMax, changesKept, pageMax, requestTtlMs } from "./bounds.ts";
import { joined, keptBytes, split } from "./contents.ts";
import { MemoryContents } from "./memory-contents.ts";
import { MemoryControllers } from "./memory-controllers.ts";
import { byBytes, isSame, type KeptChange, type KeptJson, type KeptObject, type RememberedAnswer } from "./memory-forms.ts";
import {
  type ChangeBatch,
  type ClaimResult,
  type CommitOptions,
  type CommitResult,
  type ControllerInfo,
  type EngineClaim,
  type Entry,
  type FillResult,
  type Kind,
  type KindEntry,
  kindOf,
  kinds,
  type LeaseAnswer,
  type RequestAnswer,
  type StateChange,
  type Store,
  type StoreContent,
  type StoreSize,
  type Write,
} from "./store.ts";
import { unavailable } from "./unavailable.ts";

/** A fault that a simulation can cause. */
export type StoreFault = "none" | "unavailable";

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
  #contents = MemoryContents.empty();
  readonly #objects = Object.fromEntries(kinds.map((kind) => [kind, new Map<string, KeptObject>()])) as Readonly<
    Record<Kind, Map<string, KeptObject>>
  >;
  /** The latest changes by position, in order; the last one is at `#position`. */
  readonly #changes = new Map<number, KeptChange>();
  #position = 0;
  /** Whether everything was lost, and the store was not filled since. */
  #empty = false;
  /** In the order of their creation, so the oldest come first. */
  readonly #answers = new Map<string, RememberedAnswer>();
  readonly #controllers: MemoryControllers;
  readonly #waiting = new Set<() => void>();
  #fault: StoreFault = "none";
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
    this.#controllers = new MemoryControllers(options.clock);
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
    const [changes, position, restoreLease] = [new Map(this.#changes), this.#position, this.#controllers.snapshot()];
    const [answers, contents] = [new Map(this.#answers), this.#contents.copy()];
    const empty = this.#empty;
    return () => {
      this.#empty = empty;
      for (const [kind, kept] of objects) refill<string, KeptObject>(this.#objects[kind], kept);
      refill(this.#answers, answers);
      this.#contents = contents.copy();
      refill(this.#changes, changes);
      this.#position = position;
      restoreLease();
      this.#wake();
    };
  }

  /**
   * Loses everything, like a Redis without persistence that was started again. Returns what it had.
   */
  empty(): StoreContent {
    const entries = kinds.flatMap((kind) =>
      [...this.#objects[kind]].map(([key, kept]) => ({ kind, entry: this.#entryOf(key, kept) }) as unknown as KindEntry),
    );
    const lost = { position: this.#position, entries, requests: this.answers(), epoch: this.#controllers.lastEpoch };
    for (const kind of kinds) this.#objects[kind].clear();
    [this.#position, this.#empty] = [0, true];
    this.#changes.clear();
    this.#controllers.empty();
    this.#wake();
    return lost;
  }

  get trouble(): StoreTrouble | undefined {
    if (this.#fault !== "none" || this.#closed) return { kind: "away" };
    return this.#empty ? { kind: "empty" } : undefined;
  }

  async fill(content: StoreContent, lease?: { readonly holder: string; readonly ttlMs: number }): Promise<FillResult> {
    this.#reach();
    if (!this.#empty) return { kind: "kept" };
    const requests = [...content.requests];
    this.#contents = MemoryContents.empty();
    this.#answers.clear();
    for (const { kind, entry } of content.entries)
      this.#objects[kind].set(entry.key, { version: entry.version, ...this.#keep("objects", entry.value) });
    for (const request of requests) this.#remember(request, request.expiresAtMs);
    [this.#position, this.#empty] = [content.position, false];
    const epoch = this.#controllers.fill(content.epoch, lease);
    this.#wake();
    return { kind: "filled", epoch };
  }

  /** This process is the store, too: what it answered survives a loss of everything. */
  answers(): readonly RequestAnswer[] {
    const nowMs = this.#clock.nowMs();
    return [...this.#answers].flatMap(([id, { fingerprint, expiresAtMs, ...kept }]) =>
      expiresAtMs > nowMs ? { id, fingerprint, answer: this.#whole<Json>(kept), expiresAtMs } : [],
    );
  }

  async get<K extends Kind>(kind: K, key: string): Promise<Entry<K> | undefined> {
    this.#reach();
    const kept = this.#objects[kind].get(key);
    return kept && this.#entryOf<K>(key, kept);
  }

  async list<K extends Kind>(kind: K, page: { readonly after?: string; readonly limit: number }) {
    this.#reachState();
    const { after } = page;
    const limit = Math.min(page.limit, pageMax);
    const rest = [...this.#objects[kind]].filter(([key]) => after === undefined || byBytes(key, after) > 0);
    rest.sort(([a], [b]) => byBytes(a, b));
    const entries = rest.slice(0, limit).map(([key, kept]) => this.#entryOf<K>(key, kept));
    return { entries, position: this.#position, more: rest.length > limit };
  }

  async position(): Promise<number> {
    this.#reachState();
    return this.#position;
  }

  async commit(writes: readonly Write[], options: CommitOptions = {}): Promise<CommitResult> {
    this.#reachState();
    const { epoch, request } = options;
    const answered = request && this.#recall(request.id, request.fingerprint);
    if (answered && !(answered.kind === "replayed" && isSame(this.#answers.get(request.id), request.replaces))) return answered;
    const holding = this.#controllers.lease?.epoch ?? 0;
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
    if (request) this.#remember(request, this.#clock.nowMs() + requestTtlMs);
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
    this.#contents.charge("changes", keptBytes(write.key, kept));
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
      this.#contents.charge("changes", -keptBytes(key, kept));
    }
    for (const id of this.#answers.keys()) {
      if (this.#answers.size < 2 || this.#contents.bytesOf("answers") <= this.#answersBytesMax) break;
      this.#forget(id);
    }
  }

  #remember({ id, fingerprint, answer }: Omit<RequestAnswer, "expiresAtMs">, expiresAtMs: number): void {
    const kept = this.#keep("answers", answer);
    this.#forget(id);
    this.#answers.set(id, { ...kept, fingerprint, expiresAtMs });
    this.#contents.charge("answers", keptBytes(id, kept));
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
    this.#contents.charge("answers", -keptBytes(id, kept));
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
    this.#reachState();
    if (after === this.#position && waitMs > 0 && !signal.aborted) {
      await this.#wait(waitMs, signal);
      if (signal.aborted) return { kind: "changes", changes: [] };
      this.#reachState();
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
    this.#reachState();
    return this.#controllers.acquireLease(holder, ttlMs);
  }

  async releaseLease(holder: string): Promise<void> {
    this.#reach();
    this.#controllers.releaseLease(holder);
  }

  async claim(claim: EngineClaim, ttlMs: number): Promise<ClaimResult> {
    this.#reach();
    return this.#controllers.claim(claim, ttlMs);
  }

  async unclaim(claim: EngineClaim): Promise<void> {
    this.#reach();
    this.#controllers.unclaim(claim);
  }

  async announce(controller: ControllerInfo, ttlMs: number): Promise<void> {
    this.#reach();
    this.#controllers.announce(controller, ttlMs);
  }

  async controllers() {
    this.#reach();
    return this.#controllers.list();
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
    if (this.#fault !== "none" || this.#closed) throw unavailable({ kind: "away" });
  }

  /** Fails also if everything was lost. */
  #reachState(): void {
    this.#reach();
    if (this.#empty) throw unavailable({ kind: "empty" });
  }
}

function refill<K, V>(map: Map<K, V>, entries: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}
