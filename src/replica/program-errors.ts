import { type Callee, type Code, type ErrorFacts, type Reason, refusal, StatusError } from "../core/errors.ts";
import { context } from "../rpc/request-in-work.ts";
import type { Interceptor } from "../rpc/server.ts";
import type { CallContext } from "../rpc/service.ts";
import { encodeStatus } from "../rpc/status.ts";
import type { ReplicaLog } from "./stderr-log.ts";

/**
 * Passes on a program's own statuses and those of deployments that it called, and replaces every
 * other error by a text that says where its cause is: in the log, with the request id that the
 * caller gets too.
 */
export function programErrors(log: ReplicaLog, isProgram: (context: CallContext) => boolean): Interceptor {
  return async (call, next) => {
    if (!isProgram(call)) return next();
    try {
      await next();
    } catch (cause) {
      const status = statusOf(cause) ?? endOf(call);
      if (status === undefined) throw unknownError(cause, log);
      const lack = formless(status);
      if (lack !== undefined) throw unknownError(lack, log);
      throw status.callee === undefined ? status : calleeFailed(status, status.callee);
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

/**
 * The error of a program that let the error of a deployment pass, which it called. The fields that
 * the callee refused are none of the caller's.
 */
function calleeFailed({ code, message, reason, facts }: StatusError, { deployment, method }: Callee): StatusError {
  const { violations: _, metadata, ...rest } = facts;
  const names = { callee: deployment, callee_method: method, ...(reason && { callee_reason: reason }) };
  return new StatusError(code, `"${deployment}" (${method}): ${message}`, {
    ...rest,
    reason: "CALLEE_FAILED",
    metadata: { ...names, ...metadata, ...names },
  });
}

function unknownError(cause: unknown, log: ReplicaLog): StatusError {
  const request = context();
  if (request === undefined) throw cause;
  const { requestId, method, replicaId, deployment } = request;
  log.error({ requestId, method, err: cause }, "the program failed");
  const where = replicaId === "" ? "the replica" : `replica ${replicaId}: drover logs ${deployment} --replica ${replicaId}`;
  return refusal("PROGRAM_ERROR", `method "${method}" failed in request ${requestId}; the cause is in the log of ${where}`, {
    metadata: { request_id: requestId, method, replica_id: replicaId },
  });
}
