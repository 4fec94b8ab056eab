import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import { refusal } from "../core/errors.ts";
import type { Mirror, MirrorEvent } from "../store/mirror.ts";
import { EventQueue } from "./event-queue.ts";

/** Events kept for watches that resume. */
const eventsKept = 5_000;

/** A change of one deployment; `deployment` undefined: it is gone. */
export interface FeedEvent {
  readonly position: number;
  readonly name: string;
  readonly deployment: Deployment | undefined;
}

/** One reader of the feed. */
export interface FeedWatch {
  /** The events between the position asked for and the begin of the watch. */
  readonly backlog: readonly FeedEvent[];
  /** The events since then. Ends with WATCH_EXPIRED when the reader falls too far behind. */
  readonly queue: EventQueue<FeedEvent>;
  readonly close: () => void;
}

/**
 * Every change of every deployment, in order, as clients see it. Watches get each change, and the
 * last {@link eventsKept} are kept.
 */
export class DeploymentFeed {
  readonly #mirror: Mirror;
  readonly #compose: (name: string) => Deployment | undefined;
  readonly #watches = new Set<EventQueue<FeedEvent>>();
  readonly #unsubscribe: () => void;
  #events: FeedEvent[] = [];
  /** Every event after this position is kept. */
  #since: number;

  constructor(mirror: Mirror, compose: (name: string) => Deployment | undefined) {
    this.#mirror = mirror;
    this.#compose = compose;
    this.#since = mirror.position;
    this.#unsubscribe = mirror.subscribe((event) => this.#take(event));
  }

  /**
   * Begins a watch after `position`. Fails with WATCH_EXPIRED if not all events since then are
   * kept.
   */
  watch(position: number): FeedWatch {
    if (position < this.#since || position > this.#mirror.position) throw expired(position);
    const queue = new EventQueue<FeedEvent>((event) => expired(event.position));
    this.#watches.add(queue);
    return {
      backlog: this.#events.filter((event) => event.position > position),
      queue,
      close: () => this.#watches.delete(queue),
    };
  }

  close(): void {
    this.#unsubscribe();
    for (const watch of this.#watches) watch.end();
  }

  #take(event: MirrorEvent): void {
    if (event.kind === "reset") {
      this.#events = [];
      this.#since = this.#mirror.position;
      for (const watch of this.#watches) watch.end(expired(this.#mirror.position));
      return;
    }
    const { position, kind, key, value } = event.change;
    const name = kind === "replica" ? (value as { readonly deployment: string } | undefined)?.deployment : key;
    if (kind !== "deployment" && kind !== "progress" && kind !== "replica") return;
    // A replica's record is erased only after the replica has ended, which was an event before.
    if (name === undefined || (kind === "progress" && value === undefined)) return;
    const deployment = this.#compose(name);
    if (deployment === undefined && kind !== "deployment") return;
    const change: FeedEvent = { position, name, deployment };
    this.#events.push(change);
    if (this.#events.length > eventsKept) this.#since = this.#events.shift()?.position ?? this.#since;
    for (const watch of this.#watches) watch.push(change);
  }
}

function expired(position: number): Error {
  return refusal("WATCH_EXPIRED", `the changes after position ${position} are no longer all kept: watch again without resume_position`);
}
