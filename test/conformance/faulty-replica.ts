// A replica written by hand on the project's gRPC server. It keeps the contract, except for the
// fault that it is started with.
import { durationMs } from "@bufbuild/protobuf/wkt";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { ReconfigurePhase, type ReconfigureRequest, ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../gen/health/v1/health_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import { type Reason, refusal, StatusError } from "../../src/core/errors.ts";
import type { Json } from "../../src/core/json.ts";
import { silentLog } from "../../src/log/log.ts";
import { jsonToValue, valueToJson } from "../../src/rpc/json-value.ts";
import { descriptorsOf, reflection } from "../../src/rpc/reflection.ts";
import { type Interceptor, RpcServer } from "../../src/rpc/server.ts";
import { type CallContext, implement } from "../../src/rpc/service.ts";

export interface FaultyOptions {
  readonly fault: string;
  readonly replicaId: string;
  readonly deployment: string;
  readonly revision: number;
  readonly ongoingMax: number;
  readonly token: string;
}

const never = new AbortController().signal;

export class FaultyReplica {
  readonly #options: FaultyOptions;
  readonly #inWork = new Set<AbortController>();
  #completed = 0;
  #failed = 0;
  #ongoingMax: number;
  #generation = 0n;
  #config: Json = null;
  #epoch = 0n;
  #draining = false;
  /** Whether its bound was changed. */
  #rebound = false;

  constructor(options: FaultyOptions) {
    this.#options = options;
    this.#ongoingMax = options.ongoingMax;
    if (this.#has("begins at generation 1")) this.#generation = 1n;
  }

  server(): RpcServer {
    const own = implement(GreeterService, {
      greet: ({ name }) => ({ greeting: name }),
      async *greetRepeatedly() {},
    });
    const control = this.#has("takes requests only") ? [] : [this.#replica()];
    const invoke = this.#has("takes control calls only") ? [] : [this.#invoke()];
    const all = this.#has("is plain and hides its services") ? [this.#health()] : [this.#health(), ...control, ...invoke, own];
    const shown = reflection(descriptorsOf(all.map(({ service }) => service)));
    return new RpcServer({
      implementations: this.#has("is plain and hides its services") ? all : [...all, ...shown],
      interceptors: [this.#admit],
      log: silentLog,
      clock: realClock,
    });
  }

  #has(fault: string): boolean {
    return this.#options.fault === fault;
  }

  /** As Drover's errors are, or without their reason. */
  #refusal(reason: Reason, message: string): StatusError {
    const error = refusal(reason, message);
    return this.#has("gives no reasons") ? new StatusError(error.code, message) : error;
  }

  readonly #admit: Interceptor = async (context, next) => {
    const { method, signal } = context;
    const isHealth = method.parent.typeName === Health.typeName;
    if (isHealth && this.#has("counts health checks")) this.#completed++;
    if (isHealth && !this.#draining && this.#has("refuses health checks when busy")) this.#requireRoom(context);
    if (isHealth && this.#draining && this.#has("hides its health while it drains")) throw new StatusError("UNAVAILABLE", "draining");
    if (method.parent !== InvokeService) return next();
    this.#requireRoom(context);
    const request = new AbortController();
    this.#inWork.add(request);
    try {
      await next();
      if (signal.aborted && !this.#has("counts who left as completed")) this.#failed++;
      else if (!this.#has("counts nothing as completed")) this.#completed++;
    } catch (error) {
      this.#failed++;
      throw error;
    } finally {
      this.#inWork.delete(request);
    }
  };

  #requireRoom(context: CallContext): void {
    const refuse = (why: string, reason: Reason) => {
      if (!this.#has("refuses without the trailer")) context.responseTrailers.set("drover-refused", why);
      if (this.#has("counts refused requests")) this.#failed++;
      throw this.#refusal(reason, why);
    };
    if (this.#draining && !this.#has("takes requests while it drains")) refuse("draining", "REPLICA_DRAINING");
    if (this.#inWork.size >= this.#ongoingMax && !this.#has("knows no bound")) refuse("busy", "REPLICA_BUSY");
  }

  #health() {
    return implement(Health, {
      check: () => ({ status: this.#has("is never healthy") ? Serving.NOT_SERVING : Serving.SERVING }),
      list: () => ({}),
      async *watch() {
        yield { status: Serving.SERVING };
      },
    });
  }

  #replica() {
    const { replicaId, deployment, revision } = this.#options;
    return implement(ReplicaService, {
      getInfo: () => ({
        replicaId,
        deployment,
        revision: BigInt(this.#has("forgets its revision") ? 0 : revision),
        configGeneration: this.#generation,
        services: this.#services(),
      }),
      reconfigure: (request, context) => this.#reconfigure(request, context),
      watchLoad: ({ interval }, { signal }) => this.#watchLoad(interval ? durationMs(interval) : 1_000, signal),
      drain: async ({ gracePeriod, epoch }, context) => {
        this.#control(context, epoch);
        return { ongoingRequests: await this.#drain(gracePeriod ? durationMs(gracePeriod) : 0) };
      },
    });
  }

  #services(): string[] {
    if (this.#has("does not name its services")) return [];
    return [GreeterService.typeName, ...(this.#has("takes control calls only") ? [] : [InvokeService.typeName])];
  }

  #invoke() {
    const { deployment } = this.#options;
    return implement(InvokeService, {
      invoke: async ({ deployment: wanted, method, input }, { signal }) => {
        if (wanted !== "" && wanted !== deployment && !this.#has("answers for any deployment")) {
          throw this.#refusal("WRONG_REPLICA", "not mine");
        }
        const given = input.case === "json" ? valueToJson(input.value) : null;
        return { output: { case: "json", value: jsonToValue(await this.#call(method, given, signal)) } };
      },
      invokeServerStream: ({ method }) => this.#stream(method),
    });
  }

  async #call(method: string, input: Json, signal: AbortSignal): Promise<Json> {
    if (method === "tell") {
      if (this.#has("answers no method") || (this.#rebound && this.#has("breaks when its bound is changed")))
        throw new StatusError("INTERNAL", "broken");
      if (this.#has("ends by itself")) process.exit(4);
      return { config: this.#config };
    }
    if (method === "work") {
      const cut = [...this.#inWork].at(-1)?.signal ?? never;
      await realClock.sleep(Number(input), this.#has("goes on without its caller") ? cut : AbortSignal.any([signal, cut]));
      if (cut.aborted) throw new StatusError("UNAVAILABLE", "cut off");
      return "done";
    }
    if (this.#has("knows every method")) return null;
    throw this.#refusal("METHOD_NOT_FOUND", "no such method");
  }

  async *#stream(method: string) {
    if (method !== "count" && !this.#has("knows every stream")) throw this.#refusal("METHOD_NOT_FOUND", "no such method");
    if (this.#has("streams nothing")) return;
    for (const value of [1, 2]) yield { output: { case: "json" as const, value: jsonToValue(value) } };
  }

  #control({ metadata }: CallContext, epoch: bigint): void {
    const { token } = this.#options;
    if (metadata.get("drover-token")[0] !== token && !this.#has("lets everybody in")) throw this.#refusal("TOKEN_MISMATCH", "who are you?");
    if (epoch < this.#epoch && !this.#has("ignores epochs")) throw this.#refusal("STALE_EPOCH", "too late");
    this.#epoch = epoch;
  }

  #reconfigure(request: ReconfigureRequest, context: CallContext): { configGeneration: bigint } {
    this.#control(context, request.epoch);
    const config = request.userConfig && valueToJson(request.userConfig);
    if (this.#has("takes no config and calls it a bug") && config !== undefined) throw new StatusError("INTERNAL", "no config here");
    if (config === undefined && request.phase === ReconfigurePhase.APPLY && this.#has("wants a config")) {
      throw new StatusError("INVALID_ARGUMENT", "where is the config?");
    }
    if (request.phase === ReconfigurePhase.PREPARE) return this.#prepare(request, config);
    const back = request.phase === ReconfigurePhase.REVERT && !this.#has("never goes back");
    const newer = request.configGeneration > this.#generation;
    if (!newer && !back && !this.#has("applies any generation")) return { configGeneration: this.#generation };
    const before = this.#generation;
    if (this.#has("keeps a refused config")) this.#generation = request.configGeneration;
    this.#validate(config);
    this.#generation = request.configGeneration;
    if (config !== undefined) this.#config = config;
    this.#rebound ||= request.maxOngoingRequests !== undefined;
    if (request.maxOngoingRequests !== undefined && !this.#has("keeps its bound")) this.#ongoingMax = request.maxOngoingRequests;
    return { configGeneration: config !== undefined && this.#has("answers APPLY with what was") ? before : this.#generation };
  }

  #prepare({ configGeneration }: ReconfigureRequest, config: Json | undefined): { configGeneration: bigint } {
    if (!this.#has("keeps a refused config") && !this.#has("refuses only when applied")) this.#validate(config);
    if (config !== undefined && this.#has("applies what is prepared")) this.#generation = configGeneration;
    if (config !== undefined && this.#has("applies in secret what is prepared")) this.#config = config;
    return { configGeneration: this.#generation };
  }

  #validate(config: Json | undefined): void {
    if (config !== "bad" || this.#has("takes any config")) return;
    if (this.#has("refuses without a word")) throw new StatusError("INVALID_ARGUMENT", "");
    throw this.#refusal("RECONFIGURE_REFUSED", "bad");
  }

  async *#watchLoad(intervalMs: number, signal: AbortSignal) {
    if (this.#has("reports only after the interval")) await realClock.sleep(intervalMs, signal);
    while (!signal.aborted) {
      yield {
        ongoingRequests: BigInt(this.#has("counts nothing as ongoing") ? 0 : this.#inWork.size),
        completedTotal: BigInt(this.#completed),
        failedTotal: BigInt(this.#failed),
        configGeneration: this.#has("reports no generation") ? 0n : this.#generation,
      };
      await realClock.sleep(this.#has("reports too often") ? 10 : intervalMs, signal);
    }
  }

  async #drain(graceMs: number): Promise<bigint> {
    this.#draining = true;
    if (this.#has("cuts off requests when it drains")) for (const request of this.#inWork) request.abort();
    if (graceMs > 0 && this.#inWork.size === 0 && this.#has("waits for nothing")) await realClock.sleep(1_200);
    const waits = graceMs > 0 ? !this.#has("does not wait for requests") : this.#has("waits without a grace period");
    while (waits && this.#inWork.size > 0) await realClock.sleep(10);
    return BigInt(this.#has("does not wait for requests") && graceMs > 0 ? 0 : this.#inWork.size);
  }
}
