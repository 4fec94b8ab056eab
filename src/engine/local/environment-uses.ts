import { readFile, rename, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Requirements } from "../../core/deployment.ts";

const file = "environment.json";

/**
 * The requirements that an environment was handed out for. Undefined: the environment is not
 * complete. Programs of other bundles with an equal lockfile use the same environment.
 */
export async function readUses(path: string): Promise<readonly Requirements[] | undefined> {
  const text = await readFile(join(path, file), "utf8").catch(() => undefined);
  // Version 0.1.0 wrote an object: the one use of the environment.
  return text === undefined ? undefined : [JSON.parse(text) as Requirements | readonly Requirements[]].flat();
}

/** Writes all uses of an environment. Its folder is complete from then on. */
export async function writeUses(path: string, uses: readonly Requirements[]): Promise<void> {
  const part = join(path, `${file}.part`);
  const lists = uses.map(({ npm, pip, bundle, lockfile }) => ({ npm, pip, bundle, lockfile }));
  await writeFile(part, `${JSON.stringify(lists)}\n`);
  await rename(part, join(path, file));
}

/** Notes that an environment is used now. False: it is not complete. */
export function touchUses(path: string, nowMs: number): Promise<boolean> {
  const now = new Date(nowMs);
  return utimes(join(path, file), now, now).then(
    () => true,
    () => false,
  );
}

/** When an environment was last used. */
export async function lastUseMs(path: string): Promise<number> {
  return (await stat(join(path, file))).mtimeMs;
}
