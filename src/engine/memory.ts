import { readdirSync, readFileSync } from "node:fs";
import { groupOf } from "./process-identity.ts";

/** How `memory_bytes` is held here, for a person. */
export const memoryLimit =
  process.platform === "linux"
    ? "a replica whose processes together use more than its memory_bytes is ended, within about a second; a module's heap is bound to 3/4 of it"
    : "memory_bytes is only counted on this system; a module's heap is bound to 3/4 of it";

/** The resident memory of process groups in bytes, by the group's number. Empty where the system does not show it. */
export function memoryOfGroups(groups: ReadonlySet<number>): ReadonlyMap<number, number> {
  const used = new Map<number, number>();
  if (process.platform !== "linux" || groups.size === 0) return used;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const group = groupOf(readFileSync(`/proc/${pid}/stat`, "utf8"));
      if (!groups.has(group)) continue;
      const [, kibibytes = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
      used.set(group, (used.get(group) ?? 0) + Number(kibibytes) * 1024);
    } catch {
      // It has ended meanwhile.
    }
  }
  return used;
}

/** Node's bound on the heap of a program that may take so much memory in all, MiB: the rest is for what is not on the heap. */
export function heapMiB(memoryBytes: number): number {
  return Math.max(1, Math.floor((memoryBytes * 3) / 4 / 2 ** 20));
}
