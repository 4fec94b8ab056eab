import { refusal, type StatusError } from "../core/errors.ts";
import type { GivenBack } from "./place.ts";

/** When a caller is to try again: the range from which a moment is drawn, so that callers refused together do not come back together. */
const retryFirstMs = 100;
export const retryMaxMs = 1_000;

export function notFound(deployment: string): StatusError {
  return refusal("DEPLOYMENT_NOT_FOUND", `there is no deployment "${deployment}"`, { metadata: { deployment } });
}

/** What all get that are here when the gateway ends. */
export function shuttingDown(): StatusError {
  return refusal("SHUTTING_DOWN", "this gateway is shutting down", { retryAfterMs: retryMaxMs });
}

export function queueFull(deployment: string, waiting: number, draw: number): StatusError {
  const text =
    waiting === 0
      ? `no replica of "${deployment}" has room, and requests may not wait`
      : `no replica of "${deployment}" has room, and ${waiting === 1 ? "1 request waits" : `${waiting} requests wait`}`;
  // Spread, so that those refused together do not come back together.
  const retryAfterMs = retryFirstMs + Math.floor(draw * (retryMaxMs - retryFirstMs));
  return refusal("QUEUE_FULL", text, { retryAfterMs, metadata: { deployment } });
}

export function noneRuns(deployment: string, why: string): StatusError {
  const text = `no replica of "${deployment}" runs, and ${why}`;
  return refusal("NO_REPLICA", text, { retryAfterMs: retryMaxMs, metadata: { deployment } });
}

/** What a request gets that was given back and may not be tried again. */
export function givenUp(why: GivenBack, deployment: string): StatusError {
  const facts = { retryAfterMs: retryMaxMs, metadata: { deployment } };
  return why === "busy"
    ? refusal("REPLICA_BUSY", `the replicas of "${deployment}" have no room: others than this gateway fill them`, facts)
    : refusal("NO_REPLICA", `no replica of "${deployment}" can be reached`, facts);
}
