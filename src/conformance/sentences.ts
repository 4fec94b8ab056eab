/**
 * `must`: Drover relies on it. `should`: Drover works without it, at a cost for users or operators.
 */
export type Level = "must" | "should";

/** One rule that every replica keeps, in any language. */
export interface Sentence {
  readonly id: string;
  /** The heading under which it is shown. */
  readonly subject: string;
  readonly text: string;
  readonly level: Level;
}

type Rows = readonly (readonly [id: string, text: string, level?: Level])[];

/**
 * The contract of a replica by `replica_service.proto` and `invoke_service.proto`, in the order it
 * is shown. Ids never change: scripts read them. Every program takes a generation without
 * `user_config`, so the rules of generations and epochs are checked for all programs.
 */
const subjects: Readonly<Record<string, Rows>> = {
  start: [
    ["start.listens", "it listens at DROVER_LISTEN (unix:/path) within the start-up time"],
    ["start.tcp", "it listens at DROVER_LISTEN (host:port), too"],
    ["start.beside", "a second process of the program can run at the same time"],
    ["start.stays", "it runs until SIGTERM"],
  ],
  health: [["health.serving", 'grpc.health.v1.Health/Check answers SERVING for the service ""']],
  services: [
    ["services.reflection", "reflection (v1 or v1alpha) lists its gRPC services that take requests, so that the gateway finds them"],
    ["services.info", "GetInfo names its gRPC services that take requests, the same as reflection"],
  ],
  identity: [
    ["info.identity", "GetInfo returns the id, deployment and revision from the environment"],
    ["info.generation", "GetInfo returns config_generation 0 before the first config"],
  ],
  load: [
    ["load.first", "WatchLoad reports at once"],
    ["load.interval", "WatchLoad then reports at each interval"],
    ["load.ongoing", "a request counts as ongoing while it is in work, and not after its end"],
    ["load.completed", "completed_total grows by each request that ends with OK"],
    ["load.failed", "failed_total grows by a request whose caller left"],
    ["load.others", "health checks, control calls and watches do not count as requests"],
    ["load.generation", "a load report has the config_generation that the replica serves by, also after a change"],
  ],
  Invoke: [
    ["invoke.unknown", "an unknown method is NOT_FOUND"],
    ["invoke.answers", "a method is called by its name"],
    ["invoke.other", "a request for another deployment is refused with FAILED_PRECONDITION"],
    ["stream.unknown", "an unknown method is NOT_FOUND by InvokeServerStream, too"],
    ["stream.results", "InvokeServerStream returns the results of a method, then OK"],
    ["cancel.frees", "a request whose caller leaves ends, and its place is free at once"],
  ],
  max_ongoing_requests: [
    ["busy.refused", "a request above it is RESOURCE_EXHAUSTED, with the trailer drover-refused"],
    ["busy.uncounted", "a request that is refused in this way counts neither as completed nor as failed"],
    ["busy.others", "health checks and control calls are answered also when it is reached"],
    ["busy.changed", "APPLY with another max_ongoing_requests holds for the next request"],
  ],
  user_config: [
    ["config.token", "Reconfigure without the token, or with a wrong one, is PERMISSION_DENIED or UNAUTHENTICATED"],
    ["config.noted", "APPLY without user_config only records the generation"],
    ["config.prepare", "PREPARE of a config that it takes succeeds, and changes nothing"],
    ["config.apply", "after APPLY it serves by the config; the answer has its generation"],
    ["config.again", "APPLY of the same or of a lower generation changes nothing"],
    ["config.revert", "after REVERT it serves by the older config again; the answer has its generation"],
    ["config.epoch", "a lower epoch is refused with FAILED_PRECONDITION, and changes nothing"],
    ["config.refused", "a config that it does not take fails with FAILED_PRECONDITION or INVALID_ARGUMENT, and the reason"],
    ["config.early", "PREPARE already refuses a config that it does not take", "should"],
    ["config.kept", "after a refused config it serves by the config it had, and takes the next"],
    ["config.none", "a program that takes no user_config refuses every one with FAILED_PRECONDITION and a message"],
  ],
  Drain: [
    ["drain.token", "Drain without the token, or with a wrong one, is PERMISSION_DENIED or UNAUTHENTICATED"],
    ["drain.epoch", "Drain of a lower epoch is refused with FAILED_PRECONDITION"],
    ["drain.once", "Drain without a grace period answers at once, with what is left"],
    ["drain.waits", "Drain answers 0 when no request is ongoing any more"],
    ["drain.finishes", "a request in work is answered while it drains"],
    ["drain.idle", "Drain answers 0 at once where no request is ongoing, and may be called again"],
    ["drain.refuses", "a new request is then UNAVAILABLE, with the trailer drover-refused"],
    ["drain.health", "health checks are answered while it drains"],
  ],
  stop: [
    ["stop.drained", "SIGTERM ends the process with exit code 0 within 5 s, after Drain if it has one"],
    ["stop.undrained", "SIGTERM ends the process in the same way where no Drain came before"],
  ],
  errors: [["errors.info", "a refusal carries google.rpc.ErrorInfo of the domain drover with its reason", "should"]],
};

export const sentences: readonly Sentence[] = Object.entries(subjects).flatMap(([subject, rows]) =>
  rows.map(([id, text, level = "must"]) => ({ id, subject, text, level })),
);
