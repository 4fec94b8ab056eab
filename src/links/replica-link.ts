import { createConnection } from "node:net";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/health/v1/health_pb.ts";
import type { Clock } from "../clock/clock.ts";
import type { CallResult } from "../core/config-change.ts";
import type { HealthProblem } from "../core/ending.ts";
import { StatusError } from "../core/errors.ts";
import { tokenHeader } from "../core/metadata-keys.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import { elsewhereOf, loadOfReplica } from "../core/traffic/load.ts";
import { isSilent, reportMaxMs, silentAfterMs, silentFor } from "../core/traffic/silence.ts";
import { isProgramService } from "../core/traffic/standard-services.ts";
import type { Log } from "../log/log.ts";
import { Channel } from "../rpc/channel.ts";
import { readDescriptors } from "../rpc/reflection.ts";
import { ConfigLink } from "./config-link.ts";
import { sightOf } from "./loads.ts";
import { batchesOf, modelsOf, sameModels } from "./read-report.ts";
import { type ConfigOrder, type LinkedReplica, noContact, type ReplicaContact } from "./replica-port.ts";
import type { WantedConfig } from "./wanted-config.ts";

/**
 * The wait between two tries to connect to a STARTING replica: {@link knockFirstMs} during the
 * first {@link knockSoonMs}, then {@link knockMaxMs}.
 */
const knockFirstMs = 10;
const knockMaxMs = 100;
const knockSoonMs = 2_000;
/** The wait between two health checks of a STARTING replica. */
const startCheckMs = 50;
/** The deadline of the first call, which asks a replica for its identity. */
const infoMs = 5_000;
/** The wait before a broken stream of load reports is opened again. */
const loadRetryMs = 200;
/** How often a program that cannot report its drain is polled. */
const drainPollMs = 50;

export interface LinkOptions {
  readonly linked: LinkedReplica;
  /** Where the replica listens. */
  readonly address: string;
  /** Returns the config that the replica should have in the present state. */
  readonly wanted: (replica: ReplicaRecord) => WantedConfig | undefined;
  /** The leader's epoch. Undefined: this controller does not lead, and sends no orders. */
  readonly epoch: () => number | undefined;
  /** Returns the requests in work that gateways sent to a replica. */
  readonly given: (replicaId: string) => number;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when something was learnt; load reports alone do not count. */
  readonly onChange: () => void;
  /** Called with the requests in work of each load report. */
  readonly onReport: (ongoing: number) => void;
}

/**
 * Our side of one replica: identifies it, keeps its config, checks its health, follows its load,
 * drains it.
 */
export class ReplicaLink {
  readonly #options: LinkOptions;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  #linked: LinkedReplica;
  #channel: Channel | undefined;
  #contact: ReplicaContact;
  #draining: Promise<void> | undefined;
  /** Whether the replica has reported what it serves. */
  #introduced = false;
  /** How long it has said nothing, while it had to; and whether a health check waits for its answer. */
  #silentMs = 0;
  #checking = false;
  /** Ends the present load stream, so that one with another interval is opened. */
  #reopen = new AbortController();
  readonly #config: ConfigLink;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#linked = options.linked;
    this.#contact = { ...noContact, contactSinceMs: options.clock.nowMs() };
    const learn = (change: Partial<ReplicaContact>) => {
      // Once a replica is RUNNING, only the change itself waits for this answer: no need to wake
      // the loop.
      if (change.answer === undefined && this.#linked.replica.state === "RUNNING") this.#contact = { ...this.#contact, ...change };
      else this.#set(change);
    };
    this.#config = new ConfigLink({ ...options, linked: () => this.#linked, learn });
    this.#done = this.#run(this.#abort.signal).catch((cause: unknown) => {
      if (!this.#abort.signal.aborted) options.log.error({ err: cause, replica: this.#id }, "the link to a replica failed");
    });
  }

  get address(): string {
    return this.#options.address;
  }

  get contact(): ReplicaContact {
    return this.#contact;
  }

  /** Takes the present records. */
  update(linked: LinkedReplica): void {
    const intervalMs = this.#intervalMs;
    this.#linked = linked;
    if (this.#intervalMs !== intervalMs) this.#reopen.abort("another interval");
    this.#config.wake();
    if (linked.replica.state !== "STARTING") this.#config.trust();
    if (linked.replica.state === "DRAINING") this.drain();
  }

  /** Asks the replica to take no more requests, and waits until its last one has ended. */
  drain(): void {
    this.#draining ??= this.#drain(this.#abort.signal).catch(() => {});
  }

  /** Calls the replica with a config, as a step of a change. */
  giveConfig(order: ConfigOrder, signal: AbortSignal): Promise<CallResult> {
    return this.#config.give(order, signal);
  }

  /**
   * Looks how long the replica has been silent, `passedMs` after the last look. A replica with
   * ReplicaService must report its load; of any other, a health check must wait for its answer.
   */
  listen(passedMs: number): void {
    if (!this.#introduced || !(this.#contact.controllable || this.#checking)) return;
    this.#silentMs = silentFor(this.#silentMs, passedMs);
    if (!isSilent(this.#silentMs) || this.#contact.silent) return;
    const { log } = this.#options;
    if (this.#contact.routable)
      log.warn({ replica: this.#id }, `a replica has said nothing for ${silentAfterMs / 1_000} s; it gets no requests until it is heard`);
    this.#set({ silent: true, routable: false });
  }

  /** The replica has said something: a load report, or the answer to a health check. */
  #heard(): void {
    this.#silentMs = 0;
    if (!this.#contact.silent) return;
    this.#set({ silent: false });
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#channel?.close();
    await this.#done;
    await this.#draining;
  }

  get #id(): string {
    return this.#linked.replica.id;
  }

  get #control(): { readonly [tokenHeader]: string } {
    return { [tokenHeader]: this.#linked.replica.token };
  }

  #set(change: Partial<ReplicaContact>): void {
    const next = { ...this.#contact, ...change };
    // Invariant: only a replica that is ready, and has not become unhealthy since, gets requests.
    this.#contact = next.answer === "ready" ? next : { ...next, routable: false };
    this.#options.onChange();
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#knock(signal);
    if (signal.aborted) return;
    // Everything asked here is asked again if it fails.
    this.#channel = new Channel(this.address, { resends: false });
    if (!(await this.#introduce(this.#channel, signal))) return;
    this.#introduced = true;
    const config = this.#config.keep(this.#channel, this.#contact, signal);
    // Before its first request, a replica has its config or has refused it.
    if (this.#linked.replica.state === "STARTING" && !(await this.#config.whenTaken(signal))) return;
    const load = this.#contact.controllable ? this.#followLoad(this.#channel, signal) : undefined;
    await this.#checkHealth(this.#channel, signal);
    await Promise.all([load, config]);
  }

  /**
   * Waits until something listens at the address. This is cheaper than a channel that backs off,
   * and notices it sooner.
   */
  async #knock(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const soonUntilMs = clock.nowMs() + knockSoonMs;
    while (!signal.aborted && !(await answers(this.address))) {
      const soon = clock.nowMs() < soonUntilMs;
      if (!soon && this.#contact.problem === undefined) this.#set({ problem: { kind: "nothingListens" } });
      await clock.sleep(soon ? knockFirstMs : knockMaxMs, signal);
    }
    if (this.#contact.problem?.kind === "nothingListens") this.#set({ problem: undefined });
  }

  /** Asks the replica for its identity. False: it is another replica, or the link was closed. */
  async #introduce(channel: Channel, signal: AbortSignal): Promise<boolean> {
    const { replica } = this.#linked;
    while (!signal.aborted) {
      try {
        const info = await channel.client(ReplicaService).getInfo({}, { deadlineMs: infoMs, signal });
        if (info.replicaId !== replica.id) {
          this.#set({ answer: "refused", failure: { kind: "anotherReplica", replicaId: info.replicaId } });
          return false;
        }
        this.#set({
          controllable: true,
          ...requestsTo(info.services),
          configGeneration: Number(info.configGeneration),
        });
        return true;
      } catch (cause) {
        if (cause instanceof StatusError && cause.code === "UNIMPLEMENTED") {
          this.#set(requestsTo(await listedServices(channel, signal)));
          return true;
        }
        this.#set({ problem: callFailed(cause) });
      }
      await this.#options.clock.sleep(knockMaxMs, signal);
    }
    return false;
  }

  async #checkHealth(channel: Channel, signal: AbortSignal): Promise<void> {
    for (let failed = 0; !signal.aborted; ) {
      const { periodMs, timeoutMs, failureThreshold } = this.#linked.deployment.spec.healthCheck;
      const problem = await this.#check(channel, timeoutMs, signal);
      // A replica that refused its config is replaced, even if it is healthy.
      if (signal.aborted || this.#contact.answer === "refused") return;
      failed = problem === undefined ? 0 : failed + 1;
      const ready = this.#contact.answer !== "unknown";
      if (problem === undefined) {
        if (this.#contact.answer !== "ready" || this.#isBack)
          this.#set({ answer: "ready", problem: undefined, failure: undefined, routable: true });
      } else if (ready && failed >= failureThreshold) {
        this.#set({ answer: "unhealthy", failure: { kind: "unhealthy", failedChecks: failed, problem } });
      } else if (!ready) this.#set({ problem });
      await this.#options.clock.sleep(this.#contact.answer === "unknown" ? startCheckMs : periodMs, signal);
    }
  }

  /** One health check. Returns what is wrong; undefined: nothing. */
  async #check(channel: Channel, timeoutMs: number, signal: AbortSignal): Promise<HealthProblem | undefined> {
    this.#checking = true;
    try {
      const { status } = await channel.client(Health).check({}, { deadlineMs: timeoutMs, signal });
      this.#heard();
      return status === HealthCheckResponse_ServingStatus.SERVING ? undefined : { kind: "notServing" };
    } catch (cause) {
      return cause instanceof StatusError && cause.code === "UNIMPLEMENTED" ? { kind: "noHealthService" } : callFailed(cause);
    } finally {
      this.#checking = false;
    }
  }

  /**
   * Whether an answered health check is enough for the replica to get requests again. It is if the
   * replica reports no load. Otherwise the next load report is needed.
   */
  get #isBack(): boolean {
    return !this.#contact.controllable && !this.#contact.routable;
  }

  get #intervalMs(): number {
    return Math.min(this.#linked.deployment.spec.autoscalingConfig?.metricsIntervalMs ?? reportMaxMs, reportMaxMs);
  }

  async #followLoad(channel: Channel, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const reopen = new AbortController();
      this.#reopen = reopen;
      try {
        const options = { signal: AbortSignal.any([signal, reopen.signal]) };
        for await (const report of channel.client(ReplicaService).watchLoad({ interval: durationFromMs(this.#intervalMs) }, options)) {
          this.#heard();
          const ongoing = Number(report.ongoingRequests);
          const batches = batchesOf(report);
          const load = {
            ongoing,
            elsewhere: elsewhereOf(ongoing, this.#options.given(this.#id)),
            completed: Number(report.completedTotal),
            failed: Number(report.failedTotal),
            atMs: this.#options.clock.nowMs(),
            ...(batches !== undefined && { batches }),
          };
          // The leader sends the configs, and knows of each before it is reported.
          const follows = this.#options.epoch() === undefined;
          const learnt = { load, ...(follows && { configGeneration: Number(report.configGeneration) }) };
          const back = !this.#contact.routable && this.#contact.answer === "ready";
          const models = modelsOf(report);
          if (back || !sameModels(models, this.#contact)) this.#set({ ...learnt, ...models, ...(back && { routable: true }) });
          else this.#contact = { ...this.#contact, ...learnt };
          this.#options.onReport(ongoing);
        }
      } catch {
        // Whatever broke the stream, the load is not known.
      }
      if (signal.aborted) return;
      if (reopen.signal.aborted) continue;
      this.#set({ load: undefined, routable: false });
      await this.#options.clock.sleep(loadRetryMs, signal);
    }
  }

  async #drain(signal: AbortSignal): Promise<void> {
    const { clock, epoch, given } = this.#options;
    // Counted from here, as the time in the record is by the clock of its leader.
    const sinceMs = clock.nowMs();
    const endsAtMs = () => sinceMs + this.#linked.deployment.spec.gracefulShutdownTimeoutMs;
    while (!signal.aborted && clock.nowMs() < endsAtMs()) {
      const leaderEpoch = epoch();
      if (this.#introduced && !this.#contact.controllable) {
        if (loadOfReplica(sightOf(this.#contact, given(this.#id))) === 0) return this.#set({ drained: true });
      } else if (this.#introduced && this.#channel !== undefined && leaderEpoch !== undefined) {
        const graceMs = endsAtMs() - clock.nowMs();
        try {
          const { ongoingRequests } = await this.#channel
            .client(ReplicaService)
            .drain(
              { gracePeriod: durationFromMs(graceMs), epoch: BigInt(leaderEpoch) },
              { signal, deadlineMs: graceMs + infoMs, metadata: this.#control },
            );
          if (ongoingRequests === 0n) return this.#set({ drained: true });
        } catch {
          // Asked again until the grace period ends. Then the replica is stopped anyway.
        }
      }
      await clock.sleep(drainPollMs, signal);
    }
  }
}

function callFailed(cause: unknown): HealthProblem {
  const code = cause instanceof StatusError ? cause.code : undefined;
  return { kind: "callFailed", code, message: cause instanceof Error ? cause.message : String(cause) };
}

/** Whether something accepts connections at the address. */
function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const colon = address.lastIndexOf(":");
    const socket = address.startsWith("unix:")
      ? createConnection(address.slice("unix:".length))
      : createConnection(Number(address.slice(colon + 1)), address.slice(0, colon));
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}

/**
 * The services listed by the reflection of a program without ReplicaService. Empty if it has no
 * reflection.
 */
async function listedServices(channel: Channel, signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await (await readDescriptors(channel, signal)).services();
  } catch {
    return [];
  }
}

/**
 * What a replica with these services can be called for: methods of its program, and the program's
 * own services.
 */
function requestsTo(served: readonly string[]): Pick<ReplicaContact, "invocable" | "services"> {
  return { invocable: served.includes(InvokeService.typeName), services: served.filter(isProgramService) };
}
