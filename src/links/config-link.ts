import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  ReconfigurePhase,
  type ReconfigureRequest,
  ReconfigureRequestSchema,
  ReplicaService,
} from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { Clock } from "../clock/clock.ts";
import { answerMaxMs, type CallResult, type ConfigPhase, type ReplicaConfig } from "../core/config-change.ts";
import type { ConfigCallProblem, ConfigProblem } from "../core/ending.ts";
import { StatusError } from "../core/errors.ts";
import { tokenHeader } from "../core/metadata-keys.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import type { Channel } from "../rpc/channel.ts";
import type { ConfigOrder, LinkedReplica, ReplicaContact } from "./replica-port.ts";
import type { WantedConfig } from "./wanted-config.ts";

/** The wait before a replica that could not be reached is called again. */
const retryMs = 100;
/** The longest time between two checks of the committed config. Changes shorten it. */
const checkMaxMs = 60_000;

export interface ConfigLinkOptions {
  readonly linked: () => LinkedReplica;
  readonly wanted: (replica: ReplicaRecord) => WantedConfig | undefined;
  readonly epoch: () => number | undefined;
  /** Called with what is learnt of the replica. */
  readonly learn: (change: Partial<ReplicaContact>) => void;
  readonly clock: Clock;
}

/** The result of one call. */
type ConfigAnswer =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly problem: ConfigProblem }
  /** No answer before the deadline. */
  | { readonly kind: "late" }
  | { readonly kind: "silent"; readonly problem: ConfigCallProblem };

/**
 * Our side of one replica's config: keeps it at the committed config, and calls it for the steps of
 * a change. Invariant: one call at a time, and what a call is for is decided when its turn comes.
 */
export class ConfigLink {
  readonly #options: ConfigLinkOptions;
  readonly #ready: Promise<Channel | undefined>;
  #introduce: (channel: Channel | undefined) => void = () => {};
  /** Set once the replica is introduced. */
  #channel: Channel | undefined;
  /** Whether the replica takes configs at all. */
  #takes = false;
  /** The generation of its config. */
  #generation = 0;
  /**
   * The epoch in which its config was last confirmed. A half-applied config does not show in its
   * generation.
   */
  #sureInEpoch: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #wake = new AbortController();
  /** Whether the replica took or refused the committed config, once that is known. */
  readonly #first: Promise<"taken" | "refused">;
  #settleFirst: (answer: "taken" | "refused") => void = () => {};

  constructor(options: ConfigLinkOptions) {
    this.#options = options;
    this.#ready = new Promise((resolve) => (this.#introduce = resolve));
    this.#first = new Promise((resolve) => (this.#settleFirst = resolve));
  }

  /**
   * Something may have changed. A replica with the right config sleeps on, as most do at every
   * tick.
   */
  wake(): void {
    if (!this.#wake.signal.aborted && (!this.#takes || this.#due() !== undefined)) this.#wake.abort("woken");
  }

  /** Keeps the replica at the committed config, from its introduction until the signal aborts. */
  async keep(channel: Channel, { controllable, configGeneration = 0 }: ReplicaContact, signal: AbortSignal): Promise<void> {
    this.#takes = controllable;
    this.#generation = configGeneration;
    this.#channel = channel;
    this.#introduce(channel);
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const again = await this.#inTurn(() => this.#sync(channel, signal));
      if (signal.aborted) break;
      await this.#options.clock.sleep(again ? retryMs : checkMaxMs, AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  /**
   * Waits until a STARTING replica has the committed config. False: it refused, or the signal
   * aborted.
   */
  async whenTaken(signal: AbortSignal): Promise<boolean> {
    return (await orEnd(this.#first, signal)) === "taken";
  }

  /**
   * The replica has served before, by its record: the leader of that time has given it its config.
   */
  trust(): void {
    this.#settleFirst("taken");
  }

  /**
   * Calls the replica with a config, as a step of a change. Tries again while it cannot be reached.
   */
  async give({ phase, config, answerMaxMs }: ConfigOrder, signal: AbortSignal): Promise<CallResult> {
    const replicaId = this.#options.linked().replica.id;
    const untilMs = this.#options.clock.nowMs() + answerMaxMs;
    // Built by hand, because `AbortSignal.any` costs as much as a call.
    const over = new AbortController();
    const leave = () => over.abort("over");
    const stopTimer = this.#options.clock.after(answerMaxMs, leave);
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave);
    const end = over.signal;
    let last: ConfigCallProblem | undefined = { kind: "unreached" };
    try {
      const channel = this.#channel ?? (await orEnd(this.#ready, end));
      while (channel !== undefined && !end.aborted) {
        // A bound without a user config is enforced by the gateway alone.
        if (!this.#takes && config.userConfig === undefined) return { replicaId, kind: "done" };
        if (!this.#takes) return { replicaId, kind: "refused", problem: { kind: "noService" } };
        const leftMs = Math.max(1, untilMs - this.#options.clock.nowMs());
        const answer = await orEnd(
          this.#inTurn(() => this.#call(channel, phase, config, leftMs, end)),
          end,
        );
        if (answer?.kind === "done") return { replicaId, kind: "done" };
        if (answer?.kind === "refused") return { replicaId, kind: "refused", problem: answer.problem };
        last = answer?.kind === "silent" ? answer.problem : undefined;
        await this.#options.clock.sleep(retryMs, end);
      }
    } finally {
      stopTimer();
      signal.removeEventListener("abort", leave);
    }
    if (signal.aborted) return { replicaId, kind: "gone" };
    return { replicaId, kind: "silent", problem: { kind: "late", withinMs: answerMaxMs, last } };
  }

  /** Calls the replica with the committed config, if needed. True: try again soon. */
  async #sync(channel: Channel, signal: AbortSignal): Promise<boolean> {
    const config = this.#due();
    if (config === undefined) return false;
    const { replica, deployment } = this.#options.linked();
    const starts = replica.state === "STARTING";
    if (!this.#takes) {
      if (config.userConfig === undefined) this.#settleFirst("taken");
      else this.#refuse({ kind: "noService" });
      return false;
    }
    const phase = config.generation > this.#generation ? "APPLY" : "REVERT";
    const answer = await this.#call(channel, phase, config, starts ? deployment.spec.startupTimeoutMs : answerMaxMs[phase], signal);
    if (signal.aborted) return false;
    if (answer.kind === "done") this.#settleFirst("taken");
    if (answer.kind === "refused") this.#refuse(answer.problem);
    if (answer.kind === "late" && !starts) this.#refuse({ kind: "late", withinMs: answerMaxMs[phase] });
    return answer.kind === "silent" || answer.kind === "late";
  }

  /**
   * The config to call it with now. Undefined: none, because it certainly has that config, or this
   * controller may not call it.
   */
  #due(): ReplicaConfig | undefined {
    const { linked, wanted, epoch } = this.#options;
    const { replica } = linked();
    if (replica.state !== "STARTING" && replica.state !== "RUNNING") return undefined;
    const { config, changing } = wanted(replica) ?? {};
    const leaderEpoch = epoch();
    if (config === undefined || changing || leaderEpoch === undefined) return undefined;
    return this.#takes && config.generation === this.#generation && this.#sureInEpoch === leaderEpoch ? undefined : config;
  }

  #refuse(problem: ConfigProblem): void {
    this.#options.learn({ answer: "refused", failure: { kind: "configRefused", problem } });
    this.#settleFirst("refused");
  }

  async #call(channel: Channel, phase: ConfigPhase, config: ReplicaConfig, deadlineMs: number, signal: AbortSignal): Promise<ConfigAnswer> {
    const { linked, epoch, learn } = this.#options;
    const leaderEpoch = epoch();
    if (leaderEpoch === undefined) return { kind: "silent", problem: { kind: "notLeading" } };
    const metadata = { [tokenHeader]: linked().replica.token };
    try {
      const options = { signal, deadlineMs, metadata };
      const answer = await channel.client(ReplicaService).reconfigure(requestOf(phase, config, leaderEpoch), options);
      const before = this.#generation;
      this.#generation = Number(answer.configGeneration);
      if (phase !== "PREPARE") this.#sureInEpoch = leaderEpoch;
      // A listener reads everything again, so it is called only for a change.
      if (this.#generation !== before) learn({ configGeneration: this.#generation });
      return { kind: "done" };
    } catch (cause) {
      // A half-applied config does not show in the generation.
      if (phase !== "PREPARE") this.#sureInEpoch = undefined;
      const failed = { kind: "callFailed", code: undefined, message: String(cause) } as const;
      if (!(cause instanceof StatusError)) return { kind: "silent", problem: failed };
      const { code, message, facts, reason } = cause;
      if (code === "DEADLINE_EXCEEDED") return { kind: "late" };
      const unheard = code === "UNAVAILABLE" || code === "CANCELLED" || code === "RESOURCE_EXHAUSTED" || reason === "STALE_EPOCH";
      if (unheard) return { kind: "silent", problem: { ...failed, code, message } };
      return { kind: "refused", problem: { kind: "refused", message, violations: facts.violations ?? [] } };
    }
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

/** The last request built for a config: many replicas get the same one. */
const lastRequests = new WeakMap<ReplicaConfig, ReconfigureRequest>();

function requestOf(phase: ConfigPhase, config: ReplicaConfig, epoch: number): ReconfigureRequest {
  const last = lastRequests.get(config);
  if (last?.phase === ReconfigurePhase[phase] && last.epoch === BigInt(epoch)) return last;
  const { generation, userConfig, maxOngoingRequests } = config;
  const request = create(ReconfigureRequestSchema, {
    phase: ReconfigurePhase[phase],
    configGeneration: BigInt(generation),
    ...(userConfig === undefined ? {} : { userConfig: fromJson(ValueSchema, userConfig as JsonValue) }),
    ...(phase === "PREPARE" ? {} : { maxOngoingRequests }),
    epoch: BigInt(epoch),
  });
  lastRequests.set(config, request);
  return request;
}

/** Undefined: the signal aborted first. */
function orEnd<T>(what: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve(undefined);
    const end = () => resolve(undefined);
    signal.addEventListener("abort", end, { once: true });
    what.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
  });
}
