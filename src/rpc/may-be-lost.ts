import { StatusError } from "../core/errors.ts";

/**
 * Whether a call or its answer may have been lost, so that a call of the same effect may be made
 * again. An UNAVAILABLE without a reason comes from the connection, not the controller.
 */
export function mayBeLost(error: unknown): boolean {
  if (!(error instanceof StatusError) || error.code !== "UNAVAILABLE") return false;
  return error.reason === undefined || error.reason === "SHUTTING_DOWN";
}
