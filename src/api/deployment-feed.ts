import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import { refusal } from "../core/errors.ts";
import type { Mirror, MirrorEvent } from "../store/mirror.ts";

/** Events kept for watches that resume. */
const eventsKept = 5_000;
/** Events that a watch may be behind before it is told to start again. */
const behindMax = 5_000;

/** A change of one deployment; `deployment` undefined: it is gone. */
export interface FeedEvent {
  readonly revision: number;
  readonly name: string;
  readonly deployment: Deployment | undefined;
}

/** Every change of every deployment in order, as clients see it: kept for a while, and handed to those who watch. */
export class DeploymentFeed {
  readonly #mirror: Mirror;
  readonly #compose: (name: string) => Deployment | undefined;
  readonly #watches = new Set<Watch>();
  readonly #unsubscribe: () => void;
  #events: FeedEvent[] = [];
  /** Every event after this revision is kept. */
  #since: number;

  constructor(mirror: Mirror, compose: (name: string) => Deployment | undefined) {
    this.#mirror = mirror;
    this.#compose = compose;
    this.#since = mirror.revision;
    this.#unsubscribe = mirror.subscribe((event) => this.#take(event));
  }

  /** Begins a watch after `revision`. Fails with WATCH_EXPIRED if not all that came since is kept. */
  watch(revision: number): Watch {
    if (revision < this.#since || revision > this.#mirror.revision) throw expired(revision);
    const watch = new Watch(
      this.#events.filter((event) => event.revision > revision),
      () => this.#watches.delete(watch),
    );
    this.#watches.add(watch);
    return watch;
  }

  close(): void {
    this.#unsubscribe();
    for (const watch of this.#watches) watch.end();
  }

  #take(event: MirrorEvent): void {
    if (event.kind === "reset") {
      this.#events = [];
      this.#since = this.#mirror.revision;
      for (const watch of this.#watches) watch.end(expired(this.#mirror.revision));
      return;
    }
    const { revision, kind, key, value } = event.change;
    const name = kind === "replica" ? (value as { readonly deployment: string } | undefined)?.deployment : key;
    if (kind === "revision") return;
    // A replica's record goes only after it has ended, which was told before.
    if (name === undefined || (kind === "progress" && value === undefined)) return;
    const deployment = this.#compose(name);
    if (deployment === undefined && kind !== "deployment") return;
    const told = { revision, name, deployment };
    this.#events.push(told);
    if (this.#events.length > eventsKept) this.#since = this.#events.shift()?.revision ?? this.#since;
    for (const watch of this.#watches) watch.push(told);
  }
}

function expired(revision: number): Error {
  return refusal("WATCH_EXPIRED", `the changes after revision ${revision} are not all kept any more: watch again without resume_revision`);
}

/** One reader of the feed. */
export class Watch {
  /** What came between the revision asked for and the begin of the watch. */
  readonly backlog: readonly FeedEvent[];
  readonly #onClose: () => void;
  #queue: FeedEvent[] = [];
  #wake = () => {};
  #ended = false;
  #error: Error | undefined;

  constructor(backlog: readonly FeedEvent[], onClose: () => void) {
    this.backlog = backlog;
    this.#onClose = onClose;
  }

  push(event: FeedEvent): void {
    if (this.#queue.length < behindMax) this.#queue.push(event);
    else this.end(expired(event.revision));
    this.#wake();
  }

  end(error?: Error): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wake();
  }

  /** What comes, in order, until the watch is ended. Fails with WATCH_EXPIRED when the reader falls too far behind. */
  async *events(): AsyncGenerator<FeedEvent> {
    while (!this.#ended) {
      const ready = this.#queue;
      this.#queue = [];
      yield* ready;
      if (this.#queue.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#error !== undefined) throw this.#error;
  }

  close(): void {
    this.end();
    this.#onClose();
  }
}
