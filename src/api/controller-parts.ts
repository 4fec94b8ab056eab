import type { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Clock, Random } from "../clock/clock.ts";
import type { ScheduledMinimum } from "../core/autoscaling-config.ts";
import type { LogLine } from "../core/log-line.ts";
import type { Room } from "../core/placement/room.ts";
import type { ServiceHandlers } from "../rpc/service.ts";
import type { BundleStore } from "../store/bundle-store.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Store } from "../store/store.ts";
import type { Observed } from "./convert.ts";
import type { DeploymentFeed } from "./deployment-feed.ts";
import type { DeploymentView } from "./deployment-view.ts";
import type { EndpointSource } from "./endpoint-source.ts";
import type { ReaderTurns } from "./reader-turns.ts";

export interface ControllerServiceOptions {
  readonly store: Store;
  readonly mirror: Mirror;
  readonly bundles: BundleStore;
  readonly observed: Observed;
  readonly routes: EndpointSource;
  /** As `Engine.room`. */
  readonly room: () => Room;
  /** As `Engine.runsImages`. */
  readonly runsImages: boolean;
  /** The output of a replica, as `Engine.logs`. */
  readonly logs: (
    replicaId: string,
    options: { readonly tailLines: number; readonly follow: boolean },
    signal: AbortSignal,
  ) => AsyncIterable<LogLine>;
  /**
   * Returns a function that finds the highest scheduled minimum at a time; its times must not go
   * back.
   */
  readonly openSchedules: () => (schedules: readonly ScheduledMinimum[], nowMs: number) => number;
  /** The largest message of a request or its answer, in bytes. Default: 64 MiB. */
  readonly messageBytesMax?: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** What the handlers work with. */
export interface ControllerParts extends ControllerServiceOptions {
  readonly view: DeploymentView;
  readonly feed: DeploymentFeed;
  /** The turns in which watches are served. */
  readonly turns: ReaderTurns;
  /** Aborts when the controller stops. */
  readonly closing: AbortSignal;
}

/** Handlers of some of the service's methods. */
export type ControllerHandlers<M extends keyof ServiceHandlers<typeof ControllerService>> = Pick<
  ServiceHandlers<typeof ControllerService>,
  M
>;
