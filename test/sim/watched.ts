import type { CallResult } from "../../src/core/config-change.ts";
import { refusal } from "../../src/core/errors.ts";
import type { LogLine } from "../../src/core/log-line.ts";
import type { Assignment, Engine, EngineReplica, Listing } from "../../src/engine/engine.ts";
import type { ConfigOrder, LinkedReplica, LiveReplicaPort, ReplicaContact } from "../../src/links/replica-port.ts";
import type {
  ChangeBatch,
  CommitOptions,
  CommitResult,
  ControllerInfo,
  FillResult,
  Kind,
  LeaseAnswer,
  Store,
  StoreSize,
  Write,
} from "../../src/store/store.ts";
import { UnreadWrites } from "../../src/store/unread-writes.ts";
import type { ProcessClock, SimulatedClock } from "./simulated-clock.ts";
import type { SimulatedEngine } from "./simulated-engine.ts";
import type { Watch, Witness } from "./witness.ts";

/** The connections of a controller to the store and the machine. */
export interface Line {
  /** Dead: nothing it asks for is ever answered. */
  alive: boolean;
  /** Cut off from the store. */
  cut: boolean;
  /** How long its next call takes, milliseconds. */
  delayMs(what: "store" | "engine"): number;
  /** Whether the answer of a commit gets lost on its way. */
  losesAnswer(): boolean;
  /** Called before a commit reaches the store. */
  beforeCommit(): Promise<void>;
}

const never = <T>(): Promise<T> => new Promise(() => {});
const away = () => refusal("STORE_UNAVAILABLE", "the store cannot be reached; try again", { retryAfterMs: 1_000 });

/** The store as one client or controller reaches it, before the eyes of the witness. */
export class WatchedStore implements Store {
  readonly #kept: Store;
  readonly #clock: SimulatedClock;
  readonly #line: Line;
  readonly #witness: Witness;
  readonly #watch: Watch | undefined;
  readonly #unread = new UnreadWrites();

  constructor(kept: Store, clock: SimulatedClock, line: Line, witness: Witness, watch?: Watch) {
    this.#kept = kept;
    this.#clock = clock;
    this.#line = line;
    this.#witness = witness;
    this.#watch = watch;
  }

  get trouble() {
    return this.#line.cut ? ({ kind: "away" } as const) : this.#kept.trouble;
  }
  fill(...[content, lease]: Parameters<Store["fill"]>): Promise<FillResult> {
    return this.#call(async () => {
      const result = await this.#kept.fill(this.#unread.over(content), lease);
      if (result.kind === "filled" && lease !== undefined)
        this.#witness.leased({ holder: lease.holder, epoch: result.epoch, untilMs: this.#clock.nowMs() + lease.ttlMs });
      return result;
    });
  }
  answers() {
    return this.#kept.answers();
  }

  async #call<T>(ask: () => Promise<T>): Promise<T> {
    const delayMs = this.#line.delayMs("store");
    if (delayMs > 0) await this.#clock.sleep(delayMs);
    if (!this.#line.alive) return never();
    if (this.#line.cut) throw away();
    const answer = await ask();
    if (!this.#line.alive) return never();
    if (this.#line.cut) throw away();
    return answer;
  }

  get<K extends Kind>(kind: K, key: string) {
    return this.#call(() => this.#kept.get(kind, key));
  }
  list<K extends Kind>(kind: K, page: { readonly after?: string; readonly limit: number }) {
    return this.#call(() => this.#kept.list(kind, page));
  }
  position(): Promise<number> {
    return this.#call(() => this.#kept.position());
  }
  commit(writes: readonly Write[], options: CommitOptions = {}): Promise<CommitResult> {
    const askedAtMs = this.#clock.nowMs();
    return this.#call(async () => {
      await this.#line.beforeCommit();
      const result = await this.#kept.commit(writes, options);
      if (result.kind === "committed") this.#unread.add(writes, result.positions);
      if (result.kind === "committed")
        this.#witness.committed(writes, options, { positions: result.positions, look: this.#watch, askedAtMs });
      if (result.kind === "replayed") this.#witness.replayed(options.request?.id ?? "", JSON.stringify(result.answer));
      if (this.#line.losesAnswer()) throw away();
      return result;
    });
  }
  recall(requestId: string, fingerprint: string): Promise<CommitResult | undefined> {
    return this.#call(async () => {
      const result = await this.#kept.recall(requestId, fingerprint);
      if (result?.kind === "replayed") this.#witness.replayed(requestId, JSON.stringify(result.answer));
      return result;
    });
  }
  changes(after: number, waitMs: number, signal: AbortSignal): Promise<ChangeBatch> {
    this.#unread.readUpTo(after);
    return this.#call(() => this.#kept.changes(after, waitMs, signal));
  }
  acquireLease(holder: string, ttlMs: number): Promise<LeaseAnswer> {
    return this.#call(async () => {
      const answer = await this.#kept.acquireLease(holder, ttlMs);
      if (answer.held) this.#witness.leased({ holder, epoch: answer.epoch, untilMs: this.#clock.nowMs() + ttlMs });
      return answer;
    });
  }
  releaseLease(holder: string): Promise<void> {
    return this.#call(async () => {
      await this.#kept.releaseLease(holder);
      this.#witness.released(holder);
    });
  }
  announce(controller: ControllerInfo, ttlMs: number): Promise<void> {
    return this.#call(() => this.#kept.announce(controller, ttlMs));
  }
  size(): Promise<StoreSize> {
    return this.#call(() => this.#kept.size());
  }
  controllers() {
    return this.#call(() => this.#kept.controllers());
  }
  claim(...args: Parameters<Store["claim"]>) {
    return this.#call(() => this.#kept.claim(...args));
  }
  unclaim(...args: Parameters<Store["unclaim"]>) {
    return this.#call(() => this.#kept.unclaim(...args));
  }
  async close(): Promise<void> {}
}

/** The machine as one controller reaches it, before the eyes of the witness. */
export class WatchedEngine implements Engine {
  readonly runsImages = false;
  readonly #engine: Engine & SimulatedEngine;
  readonly #clock: SimulatedClock;
  /** The clock of the controller. */
  readonly #own: ProcessClock;
  readonly #line: Line;
  readonly #witness: Witness;
  readonly #watch: Watch;
  readonly #knows: () => number;
  readonly #terminatedAtMs = new Map<string, number>();

  /** `knows`: up to which revision of everything the controller knows the state. */
  constructor(
    engine: Engine & SimulatedEngine,
    clocks: { readonly world: SimulatedClock; readonly own: ProcessClock },
    line: Line,
    witness: Witness,
    watch: Watch,
    knows: () => number,
  ) {
    this.#knows = knows;
    this.#engine = engine;
    this.#clock = clocks.world;
    this.#own = clocks.own;
    this.#line = line;
    this.#witness = witness;
    this.#watch = watch;
  }

  room() {
    return this.#engine.room();
  }
  prepare(...about: Parameters<Engine["prepare"]>) {
    return this.#engine.prepare(...about);
  }
  async start(assignment: Assignment): Promise<void> {
    if (!this.#line.alive) return never();
    this.#witness.deed({ verb: "start", replicaId: assignment.replicaId, look: this.#watch, assignment });
    return this.#answer(await this.#engine.start(assignment, this.#own.nowMs()));
  }
  /** Where a tick begins: the controller decides by what it knows then. */
  async list(): Promise<Listing> {
    this.#watch.begin(this.#knows(), this.#clock.nowMs());
    const found = await this.#engine.list();
    this.#watch.found(found.replicas.flatMap(({ state, replicaId }) => (state === "alive" ? replicaId : [])));
    return this.#answer({ ...found, replicas: found.replicas.map((replica) => this.#asNoted(replica)) });
  }
  /** What another controller noted is read once; it does not lie in the future. */
  #asNoted(replica: EngineReplica): EngineReplica {
    const { replicaId, terminatedAtMs } = replica;
    if (terminatedAtMs === undefined) return replica;
    const readMs = this.#terminatedAtMs.get(replicaId) ?? Math.min(terminatedAtMs, this.#own.nowMs());
    this.#terminatedAtMs.set(replicaId, readMs);
    return { ...replica, terminatedAtMs: readMs };
  }
  async stop(replicaId: string, how: "terminate" | "kill"): Promise<void> {
    if (!this.#line.alive) return never();
    this.#witness.deed({ verb: how, replicaId, look: this.#watch });
    return this.#answer(await this.#engine.stop(replicaId, how, this.#own.nowMs()));
  }
  async lastErrors(replicaId: string, lines: number): Promise<readonly string[]> {
    return this.#answer(await this.#engine.lastErrors(replicaId, lines));
  }
  logs(...args: Parameters<Engine["logs"]>): AsyncIterable<LogLine> {
    return this.#engine.logs(...args);
  }
  async forget(replicaId: string): Promise<void> {
    if (!this.#line.alive) return never();
    this.#witness.deed({ verb: "forget", replicaId, look: this.#watch });
    return this.#answer(await this.#engine.forget(replicaId));
  }
  onExit(listener: (replicaId: string) => void): void {
    this.#engine.onExit((replicaId) => this.#line.alive && listener(replicaId));
  }
  async close(): Promise<void> {}

  async #answer<T>(answer: T): Promise<T> {
    const delayMs = this.#line.delayMs("engine");
    if (delayMs > 0) await this.#clock.sleep(delayMs);
    return this.#line.alive ? answer : never();
  }
}

/** A controller's talk with the replicas, before the eyes of the witness. */
export class WatchedPort implements LiveReplicaPort {
  readonly #port: LiveReplicaPort;
  readonly #witness: Witness;
  readonly #watch: Watch;

  readonly #amidChange: (deployment: string) => void;

  /** `amidChange` is called before each call of a config change to a replica. */
  constructor(port: LiveReplicaPort, witness: Witness, watch: Watch, amidChange: (deployment: string) => void) {
    this.#port = port;
    this.#witness = witness;
    this.#watch = watch;
    this.#amidChange = amidChange;
  }

  async giveConfig(replicaId: string, order: ConfigOrder, signal: AbortSignal): Promise<CallResult> {
    this.#amidChange(this.#witness.ledger.replicas.get(replicaId)?.deployment ?? "");
    const result = await this.#port.giveConfig(replicaId, order, signal);
    this.#witness.told(this.#watch.controller, replicaId, order, result);
    return result;
  }

  connect(replicas: readonly LinkedReplica[]): void {
    this.#port.connect(replicas);
  }

  drain(replicaId: string): void {
    this.#port.drain(replicaId);
  }

  onChange(listener: (deployment: string) => void): () => void {
    return this.#port.onChange(listener);
  }

  onReport(listener: (replicaId: string, ongoing: number) => void): () => void {
    return this.#port.onReport(listener);
  }

  contact(replicaId: string): ReplicaContact {
    const contact = this.#port.contact(replicaId);
    this.#watch.contacts.set(replicaId, contact);
    return contact;
  }
}
