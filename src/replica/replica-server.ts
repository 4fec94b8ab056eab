import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { Clock, Random } from "../clock/clock.ts";
import { messageBytes } from "../core/message-bounds.ts";
import { descriptorsOf, reflection } from "../rpc/reflection.ts";
import { RpcServer, type RpcServerOptions } from "../rpc/server.ts";
import type { CallContext } from "../rpc/service.ts";
import { Control } from "./control.ts";
import { ReplicaHealth } from "./health.ts";
import { invokeService } from "./invoke.ts";
import { Load } from "./load.ts";
import type { HostedProgram } from "./program.ts";
import { ProgramConfig } from "./program-config.ts";
import { programErrors } from "./program-errors.ts";
import { closeModels } from "./program-report.ts";
import { idleWithin, replicaService } from "./replica-service.ts";
import { type Identity, requestViews } from "./request-view.ts";
import type { ReplicaLog } from "./stderr-log.ts";

/**
 * How long the program's `close` may take. With the grace before it, less than the 5 s until a
 * replica is killed.
 */
const programCloseMs = 3_000;

/** All parts of a replica besides its program. */
export interface ReplicaOptions {
  readonly identity: Identity;
  /** Bound on requests at a time; more are refused. */
  readonly maxOngoingRequests: number;
  /** The largest message of a request or its answer, in bytes. Default: 64 MiB. */
  readonly messageBytesMax?: number;
  /** The token that control calls must carry; undefined: none. */
  readonly token: string | undefined;
  readonly log: ReplicaLog;
  readonly clock: Clock;
  readonly random: Random;
}

/** The message to callers whose requests are still ongoing when the replica ends. */
const stoppedText = "the replica was stopped before the request ended: it may go on for graceful_shutdown_timeout at most";

/**
 * Serves a program: `ReplicaService`, `InvokeService`, the program's own services, health and
 * reflection.
 */
export class ReplicaServer {
  readonly #program: HostedProgram;
  readonly #options: ReplicaOptions;
  readonly #load: Load;
  readonly #health: ReplicaHealth;
  readonly #server: RpcServer;

  constructor(program: HostedProgram, options: ReplicaOptions) {
    const { identity, token, messageBytesMax = messageBytes.default, log, clock, random } = options;
    this.#program = program;
    this.#options = options;
    const requestServices = [invokeService(program, identity), ...program.implementations];
    const requestNames = requestServices.map(({ service }) => service.typeName);
    const isRequest = requestsOf(requestNames);
    this.#load = new Load(options.maxOngoingRequests, isRequest);
    this.#health = new ReplicaHealth(program.hooks.checkHealth, [ReplicaService.typeName, ...requestNames], log);
    const config = new ProgramConfig(program, this.#load, log);
    const parts = { services: requestNames, identity, load: this.#load, config, control: new Control(token), clock };
    const requests = requestServices.map((one) => ({ ...one, messageBytesMax }));
    const implementations = [replicaService(parts), this.#health.implementation, ...requests];
    this.#server = new RpcServer({
      implementations: [...implementations, ...reflection(descriptorsOf(implementations.map(({ service }) => service)))],
      interceptors: [
        this.#load.interceptor,
        requestViews({ identity, forwardMetadata: program.forwardMetadata, random, isRequest }),
        programErrors(log, isRequest),
      ],
      closingText: stoppedText,
      log: log as unknown as RpcServerOptions["log"], // a server calls only the methods of ReplicaLog
      clock,
    });
  }

  /** Returns the address that it listens at, with the actual port if port 0 was given. */
  listen(address: string): Promise<string> {
    return this.#server.listen(address);
  }

  /**
   * Refuses new requests, waits up to `graceMs` for ongoing ones (not after a `Drain`), then closes
   * the program.
   */
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
      await closeModels();
    } catch (err) {
      this.#options.log.error({ err }, "close of the program failed");
    }
  }
}

/**
 * Whether a call is a request: only calls of these services are, not control, health and
 * reflection.
 */
function requestsOf(services: readonly string[]): (context: CallContext) => boolean {
  const names = new Set(services);
  return ({ method }) => names.has(method.parent.typeName);
}
