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
import { type OutOfReach, outOfReach } from "./out-of-reach.ts";

/** How many requests may wait for a replica. */
const waitingMax = 10_000;
/** How long a replica gets no requests after it refused one or could not be reached. */
const restMs = { refused: 100, unreachable: 1_000 } as const;
/** The longest wait before the watch is opened again. */
const retryMaxMs = 5_000;
const pageSize = 1_000;
const maxOngoingDefault = 5;

/** A replica that gets requests. */
export class ReplicaEndpoint implements Candidate {
  readonly replicaId: string;
  readonly address: string;
  readonly channel: Channel;
  ongoing = 0;
  /** The requests of other clients are not known here. */
  readonly elsewhere = 0;
  resting = false;
  /** Why it is never picked; undefined: it may be. */
  readonly outOfReach: OutOfReach | undefined;
  /** No longer routable; its channel closes after its last request. */
  gone = false;
  readonly #clients = new Map<DescService, unknown>();

  constructor(replicaId: string, address: string, outOfReach: OutOfReach | undefined) {
    this.replicaId = replicaId;
    this.outOfReach = outOfReach;
    this.address = address;
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

/**
 * The running replicas of a deployment, from a watch of the controller, and how many of our
 * requests each has.
 */
export class Endpoints {
  readonly #name: string;
  readonly #controller: Client<typeof ControllerService>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #endpoints = new Map<string, ReplicaEndpoint>();
  readonly #waiting = new Set<() => void>();
  readonly #closed = new AbortController();
  /** Begins with the first request. */
  #watching: Promise<void> | undefined;
  #maxOngoing = maxOngoingDefault;
  /** `unknown`: the watch has not reported yet. */
  #deployment: "unknown" | "there" | "missing" = "unknown";
  /** Why the last watch failed, and how many have ended. */
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
   * Waits until a replica has a free place, and takes it until `release`. Fails with
   * DEPLOYMENT_NOT_FOUND, with the controller's error if the deployment was never seen, or with the
   * signal's reason when it aborts.
   */
  async acquire(signal: AbortSignal): Promise<ReplicaEndpoint> {
    const failuresBefore = this.#failures;
    if (this.#deployment === "unknown") this.#askNow();
    for (;;) {
      if (this.#closed.signal.aborted) throw refusal("SHUTTING_DOWN", "the client is closed");
      this.#watching ??= this.#watch();
      if (this.#deployment === "missing") throw refusal("DEPLOYMENT_NOT_FOUND", `no deployment "${this.#name}"`);
      this.#expectReach();
      const endpoint = signal.aborted ? undefined : this.#pick();
      if (endpoint) {
        endpoint.ongoing++;
        return endpoint;
      }
      if (signal.aborted) {
        this.#wakeOne(); // this request may have been woken for a place: pass it on
        throw signal.reason;
      }
      if (this.#deployment === "unknown" && this.#failures > failuresBefore) throw this.#failure;
      await this.#change(signal);
    }
  }

  /** Gives a place back. */
  release(endpoint: ReplicaEndpoint): void {
    endpoint.ongoing--;
    if (endpoint.gone && endpoint.ongoing === 0) endpoint.channel.close();
    this.#wakeOne();
  }

  /** Gives no requests to a replica for a moment, after it refused one or could not be reached. */
  rest(endpoint: ReplicaEndpoint, why: keyof typeof restMs): void {
    if (endpoint.resting) return;
    endpoint.resting = true;
    this.#clock.after(restMs[why], () => {
      endpoint.resting = false;
      this.#wakeAll();
    });
  }

  /** Fails if no replica can be reached from here, now or later. */
  #expectReach(): void {
    const all = [...this.#endpoints.values()];
    const [first] = all;
    if (first?.outOfReach === undefined || all.some(({ outOfReach }) => outOfReach === undefined)) return;
    throw refusal("NO_REPLICA", unreachable(this.#name, first.address, first.outOfReach), { metadata: { deployment: this.#name } });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#watching;
    this.#replace(new Map());
  }

  #pick(): ReplicaEndpoint | undefined {
    const reachable = [...this.#endpoints.values()].filter(({ outOfReach }) => outOfReach === undefined);
    return pick(reachable, this.#maxOngoing, this.#random.next(), this.#random.next());
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
    const reach = await this.#reachOf(running);
    this.#deployment = "there";
    this.#replace(running, reach);
  }

  #forget(): void {
    this.#deployment = "missing";
    this.#replace(new Map());
  }

  /** Which of the new replicas cannot be reached from here. */
  async #reachOf(running: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, OutOfReach | undefined>> {
    const fresh = [...running].filter(([replicaId]) => !this.#endpoints.has(replicaId));
    return new Map(await Promise.all(fresh.map(async ([replicaId, address]) => [replicaId, await outOfReach(address)] as const)));
  }

  #replace(running: ReadonlyMap<string, string>, reach: ReadonlyMap<string, OutOfReach | undefined> = new Map()): void {
    for (const endpoint of this.#endpoints.values()) {
      if (running.has(endpoint.replicaId)) continue;
      this.#endpoints.delete(endpoint.replicaId);
      endpoint.gone = true;
      if (endpoint.ongoing === 0) endpoint.channel.close();
    }
    for (const [replicaId, address] of running) {
      if (!this.#endpoints.has(replicaId)) this.#endpoints.set(replicaId, new ReplicaEndpoint(replicaId, address, reach.get(replicaId)));
    }
    this.#wakeAll();
  }
}

function unreachable(name: string, address: string, why: OutOfReach): string {
  const cause = {
    anotherMachine: `they listen at sockets of another machine (${address}), and this client calls replicas directly`,
    notAllowed: `this user may not use their sockets (${address})`,
  }[why];
  return `no replica of "${name}" can be reached from here: ${cause}; call the deployment through the gateway, by gRPC or with InvokeService`;
}
