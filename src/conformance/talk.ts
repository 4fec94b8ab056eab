import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ReconfigurePhase, ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { type InvokeResponse, InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../gen/health/v1/health_pb.ts";
import { StatusError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { Channel } from "../rpc/channel.ts";
import { nameOf } from "../rpc/enum-name.ts";
import { jsonToValue, valueToJson } from "../rpc/json-value.ts";
import type { CallOptions } from "../rpc/service.ts";

/** The longest that a call may take that should be answered at once. */
const answerMs = 10_000;
/** The interval of load reports. */
const reportMs = 50;

/** A method of the program with its input. */
export interface MethodCall {
  readonly method: string;
  /** Undefined: none. */
  readonly input: Json | undefined;
}

/** One report of `WatchLoad`. */
export interface ReportedLoad {
  readonly ongoing: number;
  readonly completed: number;
  readonly failed: number;
  readonly generation: number;
}

export interface ReconfigureStep {
  readonly phase: keyof typeof ReconfigurePhase;
  readonly generation: number;
  readonly userConfig?: Json | undefined;
  readonly ongoingMax?: number;
  /** Default: the latest. */
  readonly epoch?: bigint;
  /** Default: the replica's token. Empty: none is sent. */
  readonly token?: string;
}

export interface TalkOptions {
  readonly token: string;
  readonly epoch: bigint;
  /** The longest that a method may take. */
  readonly methodMs: number;
  readonly signal: AbortSignal;
}

/** Calls of one replica, in plain values. */
export class Talk {
  readonly channel: Channel;
  readonly token: string;
  /** The epoch of the leader whose part this takes. */
  epoch: bigint;
  readonly #options: TalkOptions;
  #highest = 0;

  constructor(address: string, options: TalkOptions) {
    this.channel = new Channel(address);
    this.token = options.token;
    this.epoch = options.epoch;
    this.#options = options;
  }

  close(): void {
    this.channel.close();
  }

  info() {
    return this.#replica.getInfo({}, this.#brief());
  }

  async generation(): Promise<number> {
    const generation = Number((await this.info()).configGeneration);
    this.#highest = Math.max(this.#highest, generation);
    return generation;
  }

  /** A generation above all that were sent or served so far. */
  async newGeneration(): Promise<number> {
    await this.generation();
    return ++this.#highest;
  }

  /** Returns the generation in the answer, by which the replica serves. */
  async reconfigure({ phase, generation, userConfig, ongoingMax, epoch = this.epoch, token }: ReconfigureStep): Promise<number> {
    this.#highest = Math.max(this.#highest, generation);
    const { configGeneration } = await this.#replica.reconfigure(
      {
        phase: ReconfigurePhase[phase],
        configGeneration: BigInt(generation),
        epoch,
        ...(userConfig === undefined ? {} : { userConfig: jsonToValue(userConfig) }),
        ...(ongoingMax === undefined ? {} : { maxOngoingRequests: ongoingMax }),
      },
      this.#brief(token),
    );
    return Number(configGeneration);
  }

  /** Returns how many requests are still ongoing. */
  async drain(graceMs: number, { epoch = this.epoch, token }: { readonly epoch?: bigint; readonly token?: string } = {}): Promise<number> {
    const options = { ...this.#brief(token), deadlineMs: answerMs + graceMs };
    const { ongoingRequests } = await this.#replica.drain({ gracePeriod: durationFromMs(graceMs), epoch }, options);
    return Number(ongoingRequests);
  }

  /** Calls a method, and returns its result as JSON; bytes as base64. */
  async invoke({ method, input }: MethodCall, deployment = "", options: CallOptions = {}): Promise<Json> {
    const until = { signal: this.#options.signal, deadlineMs: this.#options.methodMs, ...options };
    return outputOf(await this.channel.client(InvokeService).invoke({ deployment, method, ...inputOf(input) }, until));
  }

  /** Calls a method with a stream of results, and returns how many results came. */
  async countStream({ method, input }: MethodCall): Promise<number> {
    const until = { signal: this.#options.signal, deadlineMs: this.#options.methodMs };
    let count = 0;
    const invoker = this.channel.client(InvokeService);
    for await (const _ of invoker.invokeServerStream({ method, ...inputOf(input) }, until)) count++;
    return count;
  }

  async checkHealth(): Promise<string> {
    const { status } = await this.channel.client(Health).check({}, this.#brief());
    return nameOf(Serving, status);
  }

  /** Watches its health until the signal aborts, or the replica ends the stream. */
  async watchHealth(signal: AbortSignal): Promise<void> {
    try {
      for await (const _ of this.channel.client(Health).watch({}, { signal }));
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
    }
  }

  async load(): Promise<ReportedLoad> {
    for await (const report of this.reports(reportMs, answerMs)) return report;
    throw new StatusError("UNAVAILABLE", "WatchLoad ended without a report");
  }

  /** Load reports for `withinMs`: then the stream fails with DEADLINE_EXCEEDED. */
  async *reports(intervalMs: number, withinMs: number): AsyncGenerator<ReportedLoad, void> {
    const options = { signal: this.#options.signal, deadlineMs: withinMs };
    for await (const report of this.#replica.watchLoad({ interval: durationFromMs(intervalMs) }, options)) {
      yield {
        ongoing: Number(report.ongoingRequests),
        completed: Number(report.completedTotal),
        failed: Number(report.failedTotal),
        generation: Number(report.configGeneration),
      };
    }
  }

  /**
   * Follows the load until a report is as wanted, for `withinMs` at most. Returns whether one was,
   * and the last report.
   */
  async loadUntil(
    wanted: (report: ReportedLoad) => boolean,
    withinMs: number,
  ): Promise<{ readonly reached: boolean; readonly last: string }> {
    let last = "no report";
    try {
      for await (const report of this.reports(reportMs, withinMs)) {
        last = reportText(report);
        if (wanted(report)) return { reached: true, last };
      }
    } catch (error) {
      if (!(error instanceof StatusError && error.code === "DEADLINE_EXCEEDED")) throw error;
    }
    return { reached: false, last };
  }

  get #replica() {
    return this.channel.client(ReplicaService);
  }

  #brief(token = this.token): CallOptions {
    const options = { signal: this.#options.signal, deadlineMs: answerMs };
    return token === "" ? options : { ...options, metadata: { "drover-token": token } };
  }
}

function inputOf(input: Json | undefined) {
  return input === undefined ? {} : { input: { case: "json" as const, value: jsonToValue(input) } };
}

function outputOf({ output }: InvokeResponse): Json {
  if (output.case === "bytes") return Buffer.from(output.value).toString("base64");
  return output.case === "json" ? valueToJson(output.value) : null;
}

function reportText({ ongoing, completed, failed, generation }: ReportedLoad): string {
  return `${ongoing} ongoing, ${completed} completed, ${failed} failed, config_generation ${generation}`;
}
