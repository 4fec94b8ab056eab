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
  /** Leaves out what does not belong to this application. Default: nothing is left out. */
  readonly application?: string | undefined;
  /** Ends the watch. Default: the end of the command. */
  readonly signal?: AbortSignal;
}

/** The most names of one watch; with more, all deployments are watched. */
const namesMax = 1_000;

/**
 * Watches deployments (empty: all), and begins again where the server ends the watch with
 * WATCH_EXPIRED.
 */
export async function* watchDeployments(
  session: Session,
  names: readonly string[],
  { timeoutMs, application, signal = session.io.interrupted }: WatchOptions = {},
): AsyncGenerator<Seen> {
  const untilMs = timeoutMs === undefined ? undefined : session.io.nowMs() + timeoutMs;
  const controller = session.controller();
  for (;;) {
    const left = untilMs === undefined ? {} : { deadlineMs: Math.max(1, untilMs - session.io.nowMs()) };
    try {
      const watched = names.length > namesMax ? [] : names;
      yield* seen(controller.watchDeployments({ names: [...watched] }, { signal, ...left }), application);
      return;
    } catch (error) {
      if (!(error instanceof StatusError && error.reason === "WATCH_EXPIRED")) throw error;
    }
  }
}

async function* seen(events: AsyncIterable<WatchDeploymentsResponse>, application: string | undefined): AsyncGenerator<Seen> {
  const deployments = new Map<string, Deployment>();
  let synced = false;
  for await (const { event } of events) {
    let changed: string | undefined;
    if (event.case === "synced") synced = true;
    else if (event.case === "deploymentUpdated" && (application === undefined || event.value.spec?.application === application)) {
      changed = event.value.spec?.name ?? "";
      deployments.set(changed, event.value);
    } else if (event.case !== undefined) {
      // It is gone, or has left the application.
      changed = event.case === "deploymentDeleted" ? event.value : (event.value.spec?.name ?? "");
      if (!deployments.delete(changed) && application !== undefined) continue;
    }
    yield { deployments, synced, changed };
  }
}
