import type { WatchDeploymentsResponse } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import { StatusError } from "../core/errors.ts";
import type { Session } from "./session.ts";

/** The watched deployments, as known so far. The map changes with each event. */
export interface Seen {
  readonly deployments: ReadonlyMap<string, Deployment>;
  /** Whether every deployment that existed is known: a missing one does not exist. */
  readonly synced: boolean;
  /** The deployment that just changed or went; undefined for `synced`. */
  readonly changed: string | undefined;
}

export interface WatchOptions {
  /** The longest that the watch may take. Default: no bound. */
  readonly timeoutMs?: number;
  /** Ends the watch. Default: the end of the command. */
  readonly signal?: AbortSignal;
}

/**
 * Watches deployments (empty: all), and begins again where the server ends the watch with
 * WATCH_EXPIRED.
 */
export async function* watchDeployments(
  session: Session,
  names: readonly string[],
  { timeoutMs, signal = session.io.interrupted }: WatchOptions = {},
): AsyncGenerator<Seen> {
  const untilMs = timeoutMs === undefined ? undefined : session.io.nowMs() + timeoutMs;
  const controller = session.controller();
  for (;;) {
    const left = untilMs === undefined ? {} : { deadlineMs: Math.max(1, untilMs - session.io.nowMs()) };
    try {
      yield* seen(controller.watchDeployments({ names: [...names] }, { signal, ...left }));
      return;
    } catch (error) {
      if (!(error instanceof StatusError && error.reason === "WATCH_EXPIRED")) throw error;
    }
  }
}

async function* seen(events: AsyncIterable<WatchDeploymentsResponse>): AsyncGenerator<Seen> {
  const deployments = new Map<string, Deployment>();
  let synced = false;
  for await (const { event } of events) {
    let changed: string | undefined;
    if (event.case === "synced") synced = true;
    else if (event.case === "deploymentDeleted") {
      changed = event.value;
      deployments.delete(changed);
    } else if (event.case === "deploymentUpdated") {
      changed = event.value.spec?.name ?? "";
      deployments.set(changed, event.value);
    }
    yield { deployments, synced, changed };
  }
}
