import { join } from "node:path";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { Troubles } from "../log/troubles.ts";
import type { Mirror } from "./mirror.ts";
import { readSnapshot, writeSnapshot } from "./snapshot-file.ts";
import type { Store, StoreContent } from "./store.ts";

/** The shortest time between two snapshots. */
const pauseMs = 10_000;
/** Of a large state it is this many times the time that the last one took. */
const pausePerWrite = 5;
/**
 * A state from a snapshot begins at a position that its lost tail cannot have reached. So nobody
 * takes a new change for one that was lost.
 */
const positionStep = 1_000_000;

export interface SnapshotsOptions {
  readonly dataDir: string;
  readonly store: Store;
  readonly mirror: Mirror;
  readonly clock: Clock;
  readonly log: Log;
}

const pathIn = (dataDir: string): string => join(dataDir, "snapshot.jsonl");

/**
 * Keeps a file with the state in the data folder, for a controller that starts after Redis and all
 * controllers lost it. The file is as old as the last change, or at most {@link pauseMs} older.
 */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;
  readonly #troubles: Troubles;
  #written: number | undefined;
  #epoch = 0;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#troubles = new Troubles(options.log);
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#end;
    let waitMs = pauseMs;
    while (!signal.aborted) {
      await clock.sleep(waitMs, signal);
      const beganMs = clock.nowMs();
      await this.#write();
      waitMs = Math.max(pauseMs, pausePerWrite * (clock.nowMs() - beganMs));
    }
  }

  async #write(): Promise<void> {
    const { dataDir, store, mirror, clock } = this.#options;
    // A copy that does not follow may be older than the file.
    if (!mirror.available || store.trouble !== undefined || mirror.position === this.#written) return;
    try {
      this.#epoch = Math.max(this.#epoch, (await store.controllers()).leader?.epoch ?? 0);
      const content = { ...mirror.content(), requests: store.answers(), epoch: this.#epoch };
      await writeSnapshot(pathIn(dataDir), { content, writtenAtMs: clock.nowMs() });
      this.#written = content.position;
      this.#troubles.over("snapshot", {}, "the snapshot of the state can be written again");
    } catch (error) {
      const text = "the snapshot of the state cannot be written; trying again, and the former one stays";
      this.#troubles.failed("snapshot", error, { file: pathIn(dataDir) }, text);
    }
  }

  /** Writes the last snapshot. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }
}

/**
 * The state of the snapshot in the data folder, for a Redis without any data. Undefined: there is
 * none. Fails with an Error that says what to do if it cannot be read.
 */
export async function contentOfSnapshot(dataDir: string, log: Log): Promise<StoreContent | undefined> {
  const file = pathIn(dataDir);
  const snapshot = await readSnapshot(file).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Redis has no data, and the snapshot ${file} cannot be read (${why}): move it away to start without any deployment.`);
  });
  if (snapshot === undefined) return undefined;
  const { content, writtenAtMs } = snapshot;
  const deployments = [...content.entries].flatMap(({ kind, entry }) => (kind === "deployment" ? entry.key : []));
  log.warn(
    { file, writtenAt: new Date(writtenAtMs).toISOString(), position: content.position, deployments },
    "Redis has no data; going on with the state of the snapshot. What was changed after it is lost",
  );
  return { ...content, position: content.position + positionStep };
}
