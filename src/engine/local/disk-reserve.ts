import { createHash } from "node:crypto";
import { type FileHandle, open, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import { reservedBytes } from "../../core/disk-room.ts";
import type { Log } from "../../log/log.ts";

/** How often the free space is read. */
const lookMs = 1_000;
/** The reserve is made again when this many times its size is free. */
const roomyFactor = 3;
const blockBytes = 128 * 1024;

/**
 * Room on the disk of the data folder that only Drover gets: a file, which is removed when the disk
 * is full, so that Redis and the folders of new replicas can be written. It is made again when there
 * is room.
 *
 * - `held`: the file is there.
 * - `given up`: the disk is full, or was and has little room still.
 */
export class DiskReserve {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #state: "held" | "given up" | undefined;
  #closed = false;
  #cancel = () => {};
  #looking: Promise<void> = Promise.resolve();

  /** Makes the reserve, or gives up that of an earlier controller if the disk is full. */
  static async open(options: { readonly folder: string; readonly clock: Clock; readonly log: Log }): Promise<DiskReserve> {
    const reserve = new DiskReserve(options);
    await reserve.#tryLook();
    reserve.#lookLater();
    return reserve;
  }

  private constructor({ folder, clock, log }: { readonly folder: string; readonly clock: Clock; readonly log: Log }) {
    this.#folder = folder;
    this.#clock = clock;
    this.#log = log;
  }

  get #path(): string {
    return join(this.#folder, "reserve");
  }

  /** Ends the looks. The file stays for the next controller. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#looking;
  }

  #lookLater(): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.after(lookMs, () => {
      this.#looking = this.#tryLook().finally(() => this.#lookLater());
    });
  }

  async #tryLook(): Promise<void> {
    await this.#look().catch((err: unknown) => this.#log.debug({ err }, "the free space could not be read; trying again"));
  }

  async #look(): Promise<void> {
    const { bavail, bsize, blocks } = await statfs(this.#folder);
    const [freeBytes, bytes] = [bavail * bsize, reservedBytes(blocks * bsize)];
    const isThere = (await stat(this.#path).catch(() => undefined))?.size === bytes;
    if (freeBytes < bytes) {
      await rm(this.#path, { force: true });
      this.#setState("given up", { freeBytes, reservedBytes: isThere ? bytes : 0 });
    } else if (isThere || (freeBytes >= roomyFactor * bytes && (await this.#make(bytes)))) this.#setState("held", { freeBytes });
  }

  /** Whether it could be made: another program may have been faster to take the room. */
  async #make(bytes: number): Promise<boolean> {
    let file: FileHandle | undefined;
    try {
      file = await open(this.#path, "w", 0o600);
      const block = incompressible();
      for (let left = bytes; left > 0; left -= blockBytes) await file.write(block, 0, Math.min(left, blockBytes));
      return true;
    } catch {
      await rm(this.#path, { force: true });
      return false;
    } finally {
      await file?.close();
    }
  }

  #setState(state: "held" | "given up", facts: { readonly freeBytes: number; readonly reservedBytes?: number }): void {
    const before = this.#state;
    this.#state = state;
    if (state === before || (state === "held" && before === undefined)) return;
    const where = { folder: this.#folder, ...facts };
    if (state === "held") this.#log.info(where, "the disk of the data folder has room again; output of replicas is kept again");
    else {
      this.#log.warn(
        where,
        "the disk of the data folder is full: Drover goes on with the room that it had reserved, and what replicas print is dropped; make room on the disk",
      );
    }
  }
}

/** Bytes that a file system which compresses cannot make smaller. */
function incompressible(): Buffer {
  const digests = Array.from({ length: blockBytes / 32 }, (_, at) => createHash("sha256").update(String(at)).digest());
  return Buffer.concat(digests);
}
