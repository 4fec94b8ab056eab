import type { CallResult } from "../../src/core/config-change.ts";
import { replicaInWords } from "../../src/core/words/replica-words.ts";
import type { ConfigOrder, ReplicaContact } from "../../src/links/replica-port.ts";
import type { Mirror, MirrorEvent } from "../../src/store/mirror.ts";
import type { CommitOptions, Write } from "../../src/store/store.ts";
import { decidedBy } from "./decided.ts";
import { applications } from "./invariants/applications.ts";
import { autoscaling } from "./invariants/autoscaling.ts";
import { availability } from "./invariants/availability.ts";
import { oneConfig } from "./invariants/config.ts";
import { bundlesStay, revisionsStay, startsItsRevision } from "./invariants/exactness.ts";
import type { AskedApply, Deed, Facts, Invariant, Lease, Look, Verdict, Written } from "./invariants/facts.ts";
import { grace } from "./invariants/grace.ts";
import { actsUnderLease, epochsGrow, writesUnderLease } from "./invariants/leadership.ts";
import { allocation, usage } from "./invariants/resources.ts";
import { rollback } from "./invariants/rollback.ts";
import { Ledger } from "./ledger.ts";
import type { SimulatedClock } from "./simulated-clock.ts";
import type { SimulatedEngine } from "./simulated-engine.ts";
import type { Behaviours } from "./simulated-port.ts";

/** A rule was broken. */
export interface Alarm {
  readonly invariant: Invariant;
  readonly text: string;
  readonly atMs: number;
}

/** What one controller knows at a tick. */
export class Watch implements Look {
  readonly controller: string;
  position = 0;
  atMs = 0;
  readonly contacts = new Map<string, ReplicaContact>();
  readonly alive = new Set<string>();

  constructor(controller: string) {
    this.controller = controller;
  }

  begin(position: number, atMs: number): void {
    this.position = position;
    this.atMs = atMs;
    this.contacts.clear();
  }

  found(alive: readonly string[]): void {
    this.alive.clear();
    for (const id of alive) this.alive.add(id);
  }
}

/** Sees all that is written and done, and holds it against the rules. The first alarm is kept. */
export class Witness {
  readonly ledger = new Ledger();
  readonly #clock: SimulatedClock;
  readonly #engine: SimulatedEngine;
  readonly #behaviours: Behaviours;
  readonly #trace: (line: string) => void;
  readonly #answers = new Map<string, string>();
  #lease: Lease | undefined;
  alarm: Alarm | undefined;
  /** When the autoscaler last wanted more, by deployment. */
  readonly raisedAtMs = new Map<string, number>();
  /**
   * Controllers that end and stop their replicas, requests or not: they let requests end before.
   */
  readonly stopping = new Set<string>();
  /** What each `Apply` of an application asked for, by the id of its request. */
  readonly applies = new Map<string, AskedApply>();
  /** What controllers decided and did, each with its moment. */
  readonly decided: string[] = [];
  /** Commits of controllers that changed more than the records of replicas that ended. */
  deeds = 0;

  constructor(clock: SimulatedClock, engine: SimulatedEngine, behaviours: Behaviours, trace: (line: string) => void) {
    this.#clock = clock;
    this.#engine = engine;
    this.#behaviours = behaviours;
    this.#trace = trace;
  }

  get #facts(): Facts {
    return {
      nowMs: this.#clock.nowMs(),
      ledger: this.ledger,
      engine: this.#engine,
      behaviours: this.#behaviours,
      lease: this.#lease,
      stopping: this.stopping,
      applies: this.applies,
    };
  }

  raise(verdict: Verdict): void {
    if (verdict === undefined) return;
    this.#trace(`ALARM ${verdict.invariant}: ${verdict.text}`);
    this.alarm ??= { ...verdict, atMs: this.#clock.nowMs() };
  }

  committed(writes: readonly Write[], options: CommitOptions, how: Pick<Written, "positions" | "look" | "askedAtMs">): void {
    const { positions, look } = how;
    const atMs = look?.atMs ?? this.#clock.nowMs();
    const written: Written = { ...how, writes: this.ledger.inTime(writes, atMs), options };
    for (const check of [writesUnderLease, availability, allocation, rollback, oneConfig, autoscaling, applications, revisionsStay])
      this.raise(check(this.#facts, written));
    this.#checkPositions(positions);
    this.#checkRequest(options);
    for (const write of look === undefined ? [] : writes) {
      if (!("put" in write) || write.put !== "deployment") continue;
      const before = this.ledger.deployments.get(write.key)?.autoscaled?.target ?? 0;
      if ((write.value.autoscaled?.target ?? 0) > before) this.raisedAtMs.set(write.key, this.#clock.nowMs());
    }
    if (look !== undefined) this.decided.push(...writes.map((write) => `${this.#clock.nowMs()} ${look.controller} ${decidedBy(write)}`));
    if (look !== undefined) this.deeds += writes.filter((write) => "put" in write).length;
    for (const write of writes) this.#trace(`${look?.controller ?? "client"} ${describe(write)}`);
    this.ledger.apply(writes, atMs, look?.position);
  }

  /** A request was answered again. */
  replayed(requestId: string, answer: string): void {
    const first = this.#answers.get(requestId);
    if (first !== answer) this.raise({ invariant: "I9", text: `request ${requestId} answered ${answer}, at first ${first}` });
  }

  /** A replica was called with a config, or was not reached. */
  told(controller: string, replicaId: string, { phase, config }: ConfigOrder, { kind }: CallResult): void {
    this.#trace(
      `${controller} told ${replicaId} ${phase} ${config.generation}: ${kind}; it is at ${JSON.stringify(this.#behaviours.configs.of(replicaId))}`,
    );
  }

  deed(deed: Deed): void {
    const text = `${deed.look.controller} ${deed.verb} ${deed.replicaId}`;
    this.decided.push(`${this.#clock.nowMs()} ${text}`);
    this.#trace(text);
    for (const check of [actsUnderLease, grace, usage, startsItsRevision]) this.raise(check(this.#facts, deed));
  }

  leased(lease: Lease): void {
    this.raise(epochsGrow(this.#lease, lease));
    this.#lease = lease;
  }

  released(holder: string): void {
    if (this.#lease?.holder === holder) this.#lease = { ...this.#lease, untilMs: 0 };
  }

  /** I7. A follower sees every position in order, or learns that everything was read again. */
  follow(name: string, mirror: Mirror): void {
    let last = mirror.position;
    mirror.subscribe((event: MirrorEvent) => {
      const position = event.kind === "change" ? event.change.position : mirror.position;
      if (event.kind === "change" && position !== last + 1)
        this.raise({ invariant: "I7", text: `${name} saw position ${position} after ${last}` });
      last = position;
    });
  }

  /** I7. Who has followed to the end has what was written. */
  compare(name: string, mirror: Mirror): void {
    const has = (kind: string, entries: ReadonlyMap<string, { readonly value: unknown }>) =>
      [...entries].map(([key, { value }]) => [`${kind}/${key}`, JSON.stringify(value)] as const);
    const seen = new Map<string, string>([...has("deployment", mirror.deployments()), ...has("replica", mirror.replicas())]);
    const kept = [...this.ledger.objects].filter(([id]) => id.startsWith("deployment/") || id.startsWith("replica/"));
    const wrong = kept.find(([id, json]) => seen.get(id) !== json)?.[0];
    if (wrong !== undefined || kept.length !== seen.size || mirror.position !== this.ledger.position)
      this.raise({
        invariant: "I7",
        text: `${name} is at position ${mirror.position} of ${this.ledger.position}, and differs in ${wrong}`,
      });
  }

  /** I12. The bundle of a kept revision is never dropped. Nothing is being written now. */
  swept(needed: ReadonlySet<string>): void {
    this.raise(bundlesStay(this.ledger, needed));
  }

  /** I7. Each write has its own position, and there are no gaps. */
  #checkPositions(positions: readonly number[]): void {
    const wrong = positions.findIndex((position, index) => position !== this.ledger.position + index + 1);
    if (wrong >= 0) this.raise({ invariant: "I7", text: `position ${positions[wrong]} was written after ${this.ledger.position + wrong}` });
  }

  /** I9. A request is carried out once. */
  #checkRequest({ request }: CommitOptions): void {
    if (request === undefined) return;
    if (this.#answers.has(request.id)) this.raise({ invariant: "I9", text: `request ${request.id} was carried out twice` });
    this.#answers.set(request.id, JSON.stringify(request.answer));
  }
}

function describe(write: Write): string {
  if (!("put" in write)) return `deletes ${write.delete} ${write.key}`;
  const { put, key, value } = write;
  if (put === "replica") return `${key} r${value.revision} ${value.state} ${replicaInWords(value).split("\n")[0]}`;
  if (put === "deployment")
    return `deployment ${key} n=${value.autoscaled ? `~${value.autoscaled.target}` : value.spec.numReplicas} r${value.revision} ${value.spec.version}${value.deletingSinceMs ? " deleting" : ""}${value.pausedSinceMs ? " paused" : ""}${value.failedRollout ? " failed" : ""}${value.changing ? ` changing ${value.changing}` : ""} g${value.configGeneration} ${JSON.stringify(value.spec.userConfig)} ${JSON.stringify(value.spec.rollout)}${value.spec.application ? ` of ${value.spec.application}` : ""}`;
  if (put === "change")
    return `change ${key} ${value.id} g${value.generation} ${value.step} ${value.replicas.map(({ replicaId, outcome }) => `${replicaId}:${outcome}`)}`;
  if (put === "decision") return `decision ${key} ${value.summary} [${value.bound ?? "free"}]`;
  return `${put} ${key} ${JSON.stringify(value)}`;
}
