import { readFile } from "node:fs/promises";

/** What a system allows that does not say how much it allows. */
const openFilesUnknown = 1_024;

/** How many files this process may have open. */
export async function openFilesMax(): Promise<number> {
  // Linux has it as a file. A report of Node takes longer, and may ask the network.
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => undefined);
  return limits === undefined ? openFilesUnknown : readOpenFilesMax(limits);
}

/** Reads the soft limit of open files from `/proc/PID/limits`. */
export function readOpenFilesMax(limits: string): number {
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  if (soft === "unlimited") return Number.MAX_SAFE_INTEGER;
  return soft !== undefined && /^\d+$/.test(soft) ? Number(soft) : openFilesUnknown;
}
