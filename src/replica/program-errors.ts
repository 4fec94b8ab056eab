import type { Random } from "../clock/clock.ts";
import { type Code, type ErrorFacts, type Reason, refusal, StatusError } from "../core/errors.ts";
import type { Interceptor } from "../rpc/server.ts";
import type { CallContext } from "../rpc/service.ts";
import { encodeStatus } from "../rpc/status.ts";
import type { ReplicaLog } from "./stderr-log.ts";

/** The message to the caller for an error that the program did not mean for callers. */
const fixedText = "the program failed; the cause is in the replica's log";

/**
 * Passes on a program's own statuses and replaces every other error by a fixed text. The cause goes
 * to the log, with the request id that the caller gets too.
 */
export function programErrors(log: ReplicaLog, random: Random, isProgram: (context: CallContext) => boolean): Interceptor {
  return async (context, next) => {
    if (!isProgram(context)) return next();
    try {
      await next();
    } catch (cause) {
      const status = statusOf(cause) ?? endOf(context);
      if (status === undefined) throw unknownError(cause, context, log, random);
      const lack = formless(status);
      throw lack === undefined ? status : unknownError(lack, context, log, random);
    }
  };
}

/**
 * The error as a `StatusError`, also if another copy of this package made it, which the program may
 * have installed.
 */
export function statusOf(cause: unknown): StatusError | undefined {
  if (cause instanceof StatusError) return cause;
  if (!(cause instanceof Error) || cause.name !== "StatusError") return undefined;
  const { code, reason, facts } = cause as { code?: Code; reason?: Reason; facts?: ErrorFacts };
  if (typeof code !== "string") return undefined;
  return new StatusError(code, cause.message, { ...facts, ...(reason && { reason }) });
}

/** Why a status has no form on the wire: a program may give a code or facts of other types. */
function formless(status: StatusError): unknown {
  try {
    encodeStatus(status);
    return undefined;
  } catch (lack) {
    return lack;
  }
}

/** An error after the caller left is not the program's: returns the reason of the signal. */
function endOf({ signal }: CallContext): StatusError | undefined {
  if (!signal.aborted) return undefined;
  return statusOf(signal.reason) ?? refusal("CANCELLED", "the caller left");
}

function unknownError(cause: unknown, context: CallContext, log: ReplicaLog, random: Random): StatusError {
  const requestId = String(context.metadata.get("x-request-id")[0] ?? random.id(12)).slice(0, 128);
  const method = `${context.method.parent.typeName}/${context.method.name}`;
  log.error({ requestId, method, err: cause }, "the program failed");
  return refusal("PROGRAM_ERROR", fixedText, { metadata: { request_id: requestId } });
}
