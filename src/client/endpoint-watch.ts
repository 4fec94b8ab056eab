import type { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Clock, Random } from "../clock/clock.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Client } from "../rpc/service.ts";
import { Endpoints } from "./endpoints.ts";

/** The most deployments that are watched. Calls to others go to the gateway. */
export const watchedMax = 1_000;
/** The longest wait before the watch is opened again. */
const retryMaxMs = 5_000;

export interface EndpointWatchOptions {
  readonly controller: Client<typeof ControllerService>;
  /**
   * How long the watch stays open while no call is in work. Undefined: for ever. A watch keeps the
   * process alive.
   */
  readonly lingerMs: number | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The replicas of the deployments that this process calls, by one stream for all of them. While the
 * API is away, what was known last stays known: a call never fails because of the watch.
 */
export class EndpointWatch {
  readonly #options: EndpointWatchOptions;
  readonly #known = new Map<string, Endpoints>();
  #state: "paused" | "open" | "closed" = "paused";
  /** Ends the present stream; `reopen` opens another one at once. */
  #stop = new AbortController();
  #reopen = new AbortController();
  #over: Promise<void> = Promise.resolve();
  #calls = 0;
  #cancelPause = () => {};

  constructor(options: EndpointWatchOptions) {
    this.#options = options;
  }

  /** Begins a call. Returns what is known of the deployment, and what to call at the call's end. */
  begin(deployment: string): { readonly endpoints: Endpoints | undefined; readonly end: () => void } {
    this.#calls++;
    this.#cancelPause();
    const endpoints = this.#known.get(deployment) ?? this.#add(deployment);
    this.#open();
    return { endpoints, end: () => this.#end() };
  }

  async close(): Promise<void> {
    this.#pause();
    this.#state = "closed";
    await this.#over;
  }

  #add(deployment: string): Endpoints | undefined {
    if (this.#known.size >= watchedMax) return undefined;
    const endpoints = new Endpoints(this.#options.clock, this.#options.random);
    this.#known.set(deployment, endpoints);
    this.#reopen.abort();
    return endpoints;
  }

  #end(): void {
    this.#calls--;
    const { lingerMs, clock } = this.#options;
    if (this.#calls === 0 && lingerMs !== undefined) this.#cancelPause = clock.after(lingerMs, () => this.#pause());
  }

  #open(): void {
    if (this.#state !== "paused") return;
    this.#state = "open";
    const stop = new AbortController();
    this.#stop = stop;
    this.#over = this.#over.then(() => this.#run(stop.signal));
  }

  #pause(): void {
    this.#cancelPause();
    this.#stop.abort();
    for (const endpoints of this.#known.values()) endpoints.forget();
    if (this.#state === "open") this.#state = "paused";
  }

  async #run(stop: AbortSignal): Promise<void> {
    const { controller, clock, random } = this.#options;
    for (let failures = 0; !stop.aborted; ) {
      this.#reopen = new AbortController();
      const signal = AbortSignal.any([stop, this.#reopen.signal]);
      try {
        for await (const state of controller.watchEndpoints({ names: [...this.#known.keys()] }, { signal })) {
          failures = 0;
          await this.#known.get(state.deployment)?.become(state);
          if (stop.aborted) this.#known.get(state.deployment)?.forget();
        }
      } catch {
        // What is known stays, and calls that find no replica by it go to the gateway.
      }
      if (signal.aborted) continue;
      failures++;
      await clock.sleep(Math.min(backoffMs(failures, random.next()), retryMaxMs), signal);
    }
  }
}
