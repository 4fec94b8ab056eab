import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { Troubles } from "../log/troubles.ts";
import type { BundleStore } from "../store/bundle-store.ts";
import type { Mirror } from "../store/mirror.ts";

/** The time between two sweeps. */
const sweepMs = 600_000;

export interface BundleSweepLoopOptions {
  readonly mirror: Mirror;
  readonly bundles: Pick<BundleStore, "sweep">;
  /** Undefined: this controller does not lead. */
  readonly epoch: () => number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Drops the files of programs that no revision needs any more. */
export class BundleSweepLoop {
  readonly #options: BundleSweepLoopOptions;
  readonly #troubles: Troubles;

  constructor(options: BundleSweepLoopOptions) {
    this.#options = options;
    this.#troubles = new Troubles(options.log);
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(sweepMs, signal);
      if (!signal.aborted) await this.sweep();
    }
  }

  /** One sweep; none where this controller does not lead, or does not know the whole state. */
  async sweep(): Promise<void> {
    const { mirror, bundles, epoch, log } = this.#options;
    if (epoch() === undefined || !mirror.available) return;
    try {
      const dropped = await bundles.sweep(neededBundles(mirror));
      if (dropped.bundles + dropped.files > 0) log.info(dropped, "dropped files of programs that no revision needs");
      this.#troubles.over("sweep", {}, "unneeded files of programs can be dropped again");
    } catch (error) {
      this.#troubles.failed(
        "sweep",
        error,
        {},
        `unneeded files of programs cannot be dropped; trying again in ${sweepMs / 60_000} minutes`,
      );
    }
  }
}

/** The bundles of all deployments and of all revisions that are kept. */
export function neededBundles(mirror: Mirror): ReadonlySet<string> {
  const needed = new Set<string>();
  for (const [name, { value }] of mirror.deployments()) {
    const specs = [value.spec, ...mirror.entriesOf("revision", name).map((entry) => entry.value.spec)];
    for (const { runtimeEnv } of specs) if (runtimeEnv.bundle !== undefined) needed.add(runtimeEnv.bundle);
  }
  return needed;
}
