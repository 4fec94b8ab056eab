import type { Clock, Random } from "../clock/clock.ts";
import type { Engine } from "../engine/engine.ts";
import type { Loads } from "../links/loads.ts";
import type { LiveReplicaPort } from "../links/replica-port.ts";
import type { Log } from "../log/log.ts";
import { AutoscaleLoop } from "../loops/autoscale-loop.ts";
import { BundleSweepLoop } from "../loops/bundle-sweep-loop.ts";
import { ConfigChangeLoop } from "../loops/config-change-loop.ts";
import { LeaderClock } from "../loops/leader-clock.ts";
import { LeaseKeeper } from "../loops/lease-keeper.ts";
import { ReconcileLoop } from "../loops/reconcile-loop.ts";
import { openSchedules } from "../loops/schedules.ts";
import { type StopGrace, stopReplicas } from "../loops/stop-replicas.ts";
import type { BundleStore } from "../store/bundle-store.ts";
import type { Mirror } from "../store/mirror.ts";
import type { Store } from "../store/store.ts";
import type { Closable } from "./closers.ts";

export interface DecidingParts {
  readonly store: Store;
  readonly mirror: Mirror;
  readonly bundles: Pick<BundleStore, "sweep">;
  readonly engine: Engine;
  /** Whether this controller may act. Made by {@link openLease}. */
  readonly lease: Pick<LeaseKeeper, "epoch" | "onLead" | "run">;
  readonly port: LiveReplicaPort;
  readonly loads: Pick<Loads, "ongoing" | "deployment">;
  /** When the autoscaler ticks: a cron expression with seconds. */
  readonly autoscaleCron: string;
  /** The largest message of a request or its answer, in bytes. Default: 64 MiB. */
  readonly messageBytesMax?: number;
  /** Whether the replicas keep running when this controller ends. */
  readonly keepReplicas: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The part that decides and acts: the loops of a leader, and the lease. */
export interface Deciding extends Closable {
  readonly reconcile: ReconcileLoop;
  readonly configChanges: ConfigChangeLoop;
  readonly autoscale: AutoscaleLoop;
  readonly bundleSweep: BundleSweepLoop;
  /** Takes the lease when it is free, and acts while holding it. Nothing is touched before. */
  begin(): void;
  /**
   * Ends the loops, stops the replicas unless `keepReplicas`, and releases the lease. The gateway
   * must have drained before; what else is in work gets `grace`. Default: counted from this call.
   */
  close(grace?: StopGrace): Promise<void>;
}

/** The lease, with which only one controller acts at a time. */
export function openLease(parts: {
  readonly store: Store;
  readonly mirror: Mirror;
  readonly id: string;
  readonly mayLead?: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}): LeaseKeeper {
  return new LeaseKeeper({ ...parts, catchUp: () => parts.mirror.catchUp(), content: () => parts.mirror.content() });
}

/** The loops, and everything that wakes them. */
export function openDeciding(parts: DecidingParts): Deciding {
  const { store, mirror, bundles, engine, lease, port, loads, messageBytesMax, clock, random, log } = parts;
  const epoch = () => lease.epoch;
  const leaderClock = new LeaderClock(clock, mirror);
  const common = { mirror, store, epoch, clock: leaderClock, log };
  const reconcile = new ReconcileLoop({ ...common, engine, port, loads, messageBytesMax, random });
  const configChanges = new ConfigChangeLoop({ ...common, port });
  const scheduledMinimum = openSchedules();
  const autoscale = new AutoscaleLoop({ ...common, loads, scheduledMinimum, cron: parts.autoscaleCron });
  const bundleSweep = new BundleSweepLoop({ mirror, bundles, epoch, clock, log });
  const wake = () => {
    reconcile.wake();
    configChanges.wake();
  };
  lease.onLead(() => {
    leaderClock.lead();
    wake();
  });
  const unsubscribe = [mirror.subscribe(wake), port.onChange(() => reconcile.wake())];
  engine.onExit(() => reconcile.wake());
  const loops = new AbortController();
  const leading = new AbortController();
  let running: Promise<unknown> | undefined;
  let leased: Promise<void> = Promise.resolve();
  return {
    reconcile,
    configChanges,
    autoscale,
    bundleSweep,
    begin: () => {
      leased = lease.run(leading.signal);
      running = Promise.all([reconcile, configChanges, autoscale, bundleSweep].map((loop) => loop.run(loops.signal)));
    },
    close: async (grace = { sinceMs: clock.nowMs() }) => {
      for (const stop of unsubscribe) stop();
      loops.abort();
      await running;
      // A controller that never began touches no replica, in particular none of its predecessor.
      if (running !== undefined && !parts.keepReplicas)
        await stopReplicas({ engine, mirror, store, port, loads, grace, epoch, clock, log });
      leading.abort();
      await leased;
    },
  };
}
