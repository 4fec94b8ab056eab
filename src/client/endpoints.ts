import type { DescService } from "@bufbuild/protobuf";
import type { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { type Deployment, ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import type { Clock, Random } from "../clock/clock.ts";
import { backoffMs } from "../core/backoff.ts";
import { refusal, StatusError } from "../core/errors.ts";
import { type Candidate, pick } from "../core/traffic/pick.ts";
import { Channel } from "../rpc/channel.ts";
import { everyPage } from "../rpc/every-page.ts";
import type { Client } from "../rpc/service.ts";

/** Requests that may wait for a replica. */
const waitingMax = 10_000;
/** How long a replica that refused a request, or could not be reached, gets none. */
const restMs = { refused: 100, unreachable: 1_000 } as const;
/** The longest wait before the controller is asked again. */
const retryMaxMs = 5_000;
const pageSize = 1_000;
const maxOngoingDefault = 5;

/** A replica that requests can be sent to. */
export class Endpoint implements Candidate {
  readonly replicaId: string;
  readonly channel: Channel;
  ongoing = 0;
  /** What others gave it is not known here. */
  readonly elsewhere = 0;
  resting = false;
  /** No longer routable; its channel closes with its last request. */
  gone = false;
  readonly #clients = new Map<DescService, unknown>();

  constructor(replicaId: string, address: string) {
    this.replicaId = replicaId;
    this.channel = new Channel(address);
  }

  client<S extends DescService>(service: S): Client<S> {
    let client = this.#clients.get(service) as Client<S> | undefined;
    if (!client) {
      client = this.channel.client(service);
      this.#clients.set(service, client);
    }
    return client as Client<S>;
  }
}

/** The running replicas of a deployment, as the controller tells them, and how many requests of ours each has. */
export class Endpoints {
  readonly #name: string;
  readonly #controller: Client<typeof ControllerService>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #waiting = new Set<() => void>();
  readonly #closed = new AbortController();
  /** From the first request on. */
  #watching: Promise<void> | undefined;
  #maxOngoing = maxOngoingDefault;
  /** `unknown`: the controller has not told yet. */
  #deployment: "unknown" | "there" | "missing" = "unknown";
  /** Why the last watch failed, and how many have. */
  #failure: StatusError | undefined;
  #failures = 0;
  #askNow = () => {};

  constructor(name: string, controller: Client<typeof ControllerService>, clock: Clock, random: Random) {
    this.#name = name;
    this.#controller = controller;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * A replica with a place free, which is taken until `release`; waits for one until `signal` aborts. Fails with
   * DEPLOYMENT_NOT_FOUND, with what the controller answers if it never told of the deployment, or with the signal's reason.
   */
  async acquire(signal: AbortSignal): Promise<Endpoint> {
    const failuresBefore = this.#failures;
    if (this.#deployment === "unknown") this.#askNow();
    for (;;) {
      if (this.#closed.signal.aborted) throw refusal("SHUTTING_DOWN", "the client is closed");
      this.#watching ??= this.#watch();
      if (this.#deployment === "missing") throw refusal("DEPLOYMENT_NOT_FOUND", `no deployment "${this.#name}"`);
      const endpoint = signal.aborted ? undefined : this.#pick();
      if (endpoint) {
        endpoint.ongoing++;
        return endpoint;
      }
      if (signal.aborted) {
        this.#wakeOne(); // a place that was meant for this one is somebody else's
        throw signal.reason;
      }
      if (this.#deployment === "unknown" && this.#failures > failuresBefore) throw this.#failure;
      await this.#change(signal);
    }
  }

  /** Gives a place back. */
  release(endpoint: Endpoint): void {
    endpoint.ongoing--;
    if (endpoint.gone && endpoint.ongoing === 0) endpoint.channel.close();
    this.#wakeOne();
  }

  /** Lets a replica that refused, or could not be reached, be for a moment. */
  rest(endpoint: Endpoint, why: keyof typeof restMs): void {
    if (endpoint.resting) return;
    endpoint.resting = true;
    this.#clock.after(restMs[why], () => {
      endpoint.resting = false;
      this.#wakeAll();
    });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#watching;
    this.#replace(new Map());
  }

  #pick(): Endpoint | undefined {
    return pick([...this.#endpoints.values()], this.#maxOngoing, this.#random.next(), this.#random.next());
  }

  #change(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= waitingMax) throw refusal("QUEUE_FULL", `${waitingMax} requests wait for "${this.#name}"`);
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  #wakeOne(): void {
    const [wake] = this.#waiting;
    wake?.();
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closed;
    for (let inARow = 1; !signal.aborted; inARow++) {
      let there = false;
      try {
        for await (const { event } of this.#controller.watchDeployments({ names: [this.#name] }, { signal })) {
          inARow = 0;
          if (event.case === "deploymentUpdated") {
            there = true;
            await this.#learn(event.value, signal);
          } else if (event.case === "deploymentDeleted" || (event.case === "synced" && !there)) this.#forget();
        }
      } catch (cause) {
        this.#failure = cause instanceof StatusError ? cause : refusal("INTERNAL", "the watch of the deployment failed");
      }
      this.#failures++;
      this.#wakeAll();
      const asked = new AbortController();
      this.#askNow = () => asked.abort();
      const waitMs = Math.min(backoffMs(Math.max(inARow, 1), this.#random.next()), retryMaxMs);
      await this.#clock.sleep(waitMs, AbortSignal.any([signal, asked.signal]));
    }
  }

  async #learn(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const running = new Map<string, string>();
    const read = (pageToken: string) => this.#controller.listReplicas({ deployment: this.#name, pageSize, pageToken }, { signal });
    for await (const { replicas } of everyPage(read)) {
      for (const { replicaId, address, state } of replicas) if (state === ReplicaState.RUNNING) running.set(replicaId, address);
    }
    this.#maxOngoing = deployment.spec?.maxOngoingRequests ?? maxOngoingDefault;
    this.#deployment = "there";
    this.#replace(running);
  }

  #forget(): void {
    this.#deployment = "missing";
    this.#replace(new Map());
  }

  #replace(running: ReadonlyMap<string, string>): void {
    for (const endpoint of this.#endpoints.values()) {
      if (running.has(endpoint.replicaId)) continue;
      this.#endpoints.delete(endpoint.replicaId);
      endpoint.gone = true;
      if (endpoint.ongoing === 0) endpoint.channel.close();
    }
    for (const [replicaId, address] of running) {
      if (!this.#endpoints.has(replicaId)) this.#endpoints.set(replicaId, new Endpoint(replicaId, address));
    }
    this.#wakeAll();
  }
}
