import { rm } from "node:fs/promises";
import type { Log } from "../../log/log.ts";
import { Troubles } from "../../log/troubles.ts";

/**
 * Removes what is left of replicas. What cannot be removed is kept in mind and tried again, and
 * holds up nothing else.
 */
export class Leftovers {
  readonly #troubles: Troubles;
  readonly #paths = new Set<string>();

  constructor(log: Log) {
    this.#troubles = new Troubles(log);
  }

  /** Removes a file or a folder; no error if it is not there. Never rejects. */
  async remove(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true, maxRetries: 3 }); // an output may be truncated right now
      this.#paths.delete(path);
      this.#troubles.over(path, { path }, "what was left of a replica is removed now");
    } catch (cause) {
      this.#paths.add(path);
      this.#troubles.failed(
        path,
        cause,
        { path },
        "what is left of a replica cannot be removed: make it writable for this user, or remove it yourself; it is tried again",
      );
    }
  }

  /** Tries again what could not be removed. */
  async retry(): Promise<void> {
    for (const path of this.#paths) await this.remove(path);
  }
}
