import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { Clock, Random } from "../clock/clock.ts";
import { descriptorsOf, reflection } from "../rpc/reflection.ts";
import { RpcServer, type RpcServerOptions } from "../rpc/server.ts";
import type { CallContext } from "../rpc/service.ts";
import { Config } from "./config.ts";
import { Control } from "./control.ts";
import { ReplicaHealth } from "./health.ts";
import { type Identity, invokeService } from "./invoke.ts";
import { Load } from "./load.ts";
import type { Program } from "./program.ts";
import { programErrors } from "./program-errors.ts";
import { idleWithin, replicaService } from "./replica-service.ts";
import type { ReplicaLog } from "./stderr-log.ts";

/** How long `close` of the program may take: with the grace before it, less than the 5 s after which a replica is killed. */
const programCloseMs = 3_000;

/** All that a replica is besides its program. */
export interface ReplicaOptions {
  readonly identity: Identity;
  /** Refuses requests above this many at a time. */
  readonly maxOngoingRequests: number;
  /** What control calls must prove; empty: nothing. */
  readonly token: string;
  readonly log: ReplicaLog;
  readonly clock: Clock;
  readonly random: Random;
}

/** For requests that are still in work when it ends. */
const stoppedText = "the replica was stopped before the request ended: it may go on for graceful_shutdown_timeout at most";

/** A program served: `ReplicaService`, `InvokeService`, its own services, health and reflection. */
export class ReplicaServer {
  readonly #program: Program;
  readonly #options: ReplicaOptions;
  readonly #load: Load;
  readonly #health: ReplicaHealth;
  readonly #server: RpcServer;

  constructor(program: Program, options: ReplicaOptions) {
    const { identity, token, log, clock, random } = options;
    this.#program = program;
    this.#options = options;
    const requestServices = [invokeService(program, identity), ...program.implementations];
    const requestNames = requestServices.map(({ service }) => service.typeName);
    const isRequest = requestsOf(requestNames);
    this.#load = new Load(options.maxOngoingRequests, isRequest);
    this.#health = new ReplicaHealth(program.hooks.checkHealth, [ReplicaService.typeName, ...requestNames], log);
    const config = new Config(program, this.#load, log);
    const parts = { services: requestNames, identity, load: this.#load, config, control: new Control(token), clock };
    const implementations = [replicaService(parts), this.#health.implementation, ...requestServices];
    this.#server = new RpcServer({
      implementations: [...implementations, ...reflection(descriptorsOf(implementations.map(({ service }) => service)))],
      interceptors: [this.#load.interceptor, programErrors(log, random, isRequest)],
      closingText: stoppedText,
      log: log as unknown as RpcServerOptions["log"], // of whose many forms a server uses one
      clock,
    });
  }

  /** Gives the address it listens at, with the port that was free where 0 was asked for. */
  listen(address: string): Promise<string> {
    return this.#server.listen(address);
  }

  /** Takes no more requests, waits up to `graceMs` for those in work (not at all after a `Drain`), then closes the program. */
  async close(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    const wasDraining = this.#load.draining;
    this.#load.drain();
    if (!wasDraining) await idleWithin(this.#load, graceMs, clock);
    this.#health.close();
    await this.#server.close(0);
    const closed = new AbortController();
    const closing = this.#closeProgram().finally(() => closed.abort());
    await Promise.race([closing, clock.sleep(programCloseMs, closed.signal)]);
  }

  async #closeProgram(): Promise<void> {
    try {
      await this.#program.hooks.close?.();
    } catch (err) {
      this.#options.log.error({ err }, "close of the program failed");
    }
  }
}

/** Calls of these services are requests; the rest is control, health and reflection. */
function requestsOf(services: readonly string[]): (context: CallContext) => boolean {
  const names = new Set(services);
  return ({ method }) => names.has(method.parent.typeName);
}
