import { refusal, type StatusError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Mirror, MirrorEvent } from "../store/mirror.ts";
import { bytesOfEvent, configBytes, type DeploymentEvent, deploymentEvent } from "./deployment-event.ts";
import type { DeploymentView } from "./deployment-view.ts";
import { EventQueue } from "./event-queue.ts";
import type { ReaderTurns } from "./reader-turns.ts";

/** Events kept for watches that resume, */
export const eventsKept = 5_000;
/** and the most of their bytes. A config that many of them have is counted once. */
export const eventsBytesMax = 16 * 2 ** 20;

/** One reader of the feed. */
export interface FeedWatch {
  /** The events between the position asked for and the begin of the watch. */
  readonly backlog: readonly DeploymentEvent[];
  /** The events since then. */
  readonly queue: EventQueue<DeploymentEvent>;
  readonly close: () => void;
}

export interface FeedWatchOptions {
  /** Whether the watch has the events of the deployment of that name. */
  readonly wants: (name: string) => boolean;
  /** Called with WATCH_EXPIRED when the reader falls too far behind. */
  readonly drop: (error: StatusError) => void;
}

interface OpenWatch extends Pick<FeedWatchOptions, "wants"> {
  readonly queue: EventQueue<DeploymentEvent>;
}

/**
 * Every change of every deployment, in order, as clients see it. Each is encoded once. Watches get
 * each change, and the last {@link eventsKept} are kept, within {@link eventsBytesMax}.
 */
export class DeploymentFeed {
  readonly #mirror: Mirror;
  readonly #view: DeploymentView;
  readonly #turns: ReaderTurns;
  readonly #watches = new Set<OpenWatch>();
  readonly #unsubscribe: () => void;
  #events: DeploymentEvent[] = [];
  #bytes = 0;
  /** How many kept events have each config. */
  readonly #holders = new Map<Uint8Array, number>();
  /** The present config of each deployment, encoded. */
  readonly #configs = new Map<string, { readonly userConfig: Json; readonly bytes: Uint8Array }>();
  /** Every event after this position is kept. */
  #since: number;

  constructor(mirror: Mirror, view: DeploymentView, turns: ReaderTurns) {
    this.#mirror = mirror;
    this.#view = view;
    this.#turns = turns;
    this.#since = mirror.position;
    this.#unsubscribe = mirror.subscribe((event) => this.#take(event));
  }

  /** The bytes of the kept events. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Begins a watch after `position`. Fails with WATCH_EXPIRED if not all events since then are
   * kept.
   */
  watch(position: number, { wants, drop }: FeedWatchOptions): FeedWatch {
    if (position < this.#since || position > this.#mirror.position) throw expired(position);
    const queue = new EventQueue<DeploymentEvent>({
      bytesOf: bytesOfEvent,
      tooSlow: () => drop(tooSlow()),
      inTurn: this.#turns.take,
    });
    const watch = { wants, queue };
    this.#watches.add(watch);
    return {
      backlog: this.#events.filter((event) => event.position > position && wants(event.name)),
      queue,
      close: () => this.#watches.delete(watch),
    };
  }

  /**
   * The deployments that exist now, as events without a position of their own. All are of the state
   * at this call; each is made when it is read.
   */
  present(wants: (name: string) => boolean): Iterable<DeploymentEvent> {
    const making = [...this.#mirror.deployments().keys()].filter(wants).map((name) => this.#making(name, this.#mirror.position));
    return made(making);
  }

  close(): void {
    this.#unsubscribe();
    for (const { queue } of this.#watches) queue.end();
  }

  #take(event: MirrorEvent): void {
    if (event.kind === "reset") {
      this.#events = [];
      this.#bytes = 0;
      this.#holders.clear();
      this.#configs.clear();
      this.#since = this.#mirror.position;
      for (const { queue } of this.#watches) queue.end(expired(this.#mirror.position));
      return;
    }
    const { position, kind, key, value } = event.change;
    const name = kind === "replica" ? (value as { readonly deployment: string } | undefined)?.deployment : key;
    if (kind !== "deployment" && kind !== "progress" && kind !== "replica") return;
    // A replica's record is erased only after the replica has ended, which was an event before.
    if (name === undefined || (kind === "progress" && value === undefined)) return;
    if (kind !== "deployment" && this.#mirror.deployment(name) === undefined) return;
    const change = this.#making(name, position)();
    this.#keep(change);
    for (const { wants, queue } of this.#watches) if (wants(name)) queue.push(change);
  }

  /** Makes the event of the deployment as it is at this call. */
  #making(name: string, position: number): () => DeploymentEvent {
    const record = this.#mirror.deployment(name)?.value;
    if (record === undefined) {
      this.#configs.delete(name);
      return () => deploymentEvent(position, name, undefined, undefined);
    }
    const compose = this.#view.composing(record);
    return () => {
      const { userConfig, ...spec } = record.spec;
      return deploymentEvent(position, name, compose({ ...record, spec }), this.#configOf(name, userConfig));
    };
  }

  #configOf(name: string, userConfig: Json | undefined): Uint8Array | undefined {
    const known = this.#configs.get(name);
    if (known?.userConfig === userConfig) return known?.bytes;
    const isPresent = this.#mirror.deployment(name)?.value.spec.userConfig === userConfig;
    if (isPresent) this.#configs.delete(name);
    if (userConfig === undefined) return undefined;
    const bytes = configBytes(userConfig);
    if (isPresent) this.#configs.set(name, { userConfig, bytes });
    return bytes;
  }

  #keep(event: DeploymentEvent): void {
    this.#events.push(event);
    this.#bytes += event.bytes.length + this.#held(event, 1);
    while (this.#events.length > 1 && (this.#events.length > eventsKept || this.#bytes > eventsBytesMax)) {
      const oldest = this.#events.shift() as DeploymentEvent;
      this.#since = oldest.position;
      this.#bytes -= oldest.bytes.length + this.#held(oldest, -1);
    }
  }

  /** Counts an event that has a config. Returns the config's bytes at its first event and its last. */
  #held({ config }: DeploymentEvent, by: 1 | -1): number {
    if (config === undefined) return 0;
    const before = this.#holders.get(config) ?? 0;
    if (before + by === 0) this.#holders.delete(config);
    else this.#holders.set(config, before + by);
    return before === 0 || before + by === 0 ? config.length : 0;
  }
}

function* made(making: readonly (() => DeploymentEvent)[]): Iterable<DeploymentEvent> {
  for (const make of making) yield make();
}

function expired(position: number): StatusError {
  return refusal("WATCH_EXPIRED", `the changes after position ${position} are no longer all kept: watch again without resume_position`);
}

function tooSlow(): StatusError {
  const text = "this watch is too far behind, and nothing waits for it: read faster, and resume from the last position that you have read";
  return refusal("WATCH_EXPIRED", text);
}
