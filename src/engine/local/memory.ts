import { groupOf, processIds, readIfAny } from "./process-identity.ts";

const linux = process.platform === "linux";

/** How `memory_bytes` is enforced on this machine, in words. */
export function memoryLimit(byKernel: boolean): string {
  const how = byKernel
    ? "a replica that needs more than its memory_bytes is ended by the kernel (cgroup v2)"
    : linux
      ? "a replica whose process group uses more than its memory_bytes is ended, within about a second"
      : "memory_bytes is only counted on this system";
  return `${how}; a module's heap is bound to 3/4 of it`;
}

/**
 * The process groups over their memory limit, with their usage in bytes. `limits` are by group id.
 * Memory shared by several processes counts once (the proportional set size) where the system
 * reports it. Empty on systems without `/proc`.
 */
export function groupsOverMemory(limits: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  const over = new Map<number, number>();
  if (!linux || limits.size === 0) return over;
  const members = new Map<number, number[]>();
  for (const pid of processIds()) {
    const group = groupOf(readIfAny(`/proc/${pid}/stat`) ?? "");
    if (limits.has(group)) members.set(group, [...(members.get(group) ?? []), pid]);
  }
  for (const [group, pids] of members) {
    const limit = limits.get(group) ?? 0;
    // The cheap sum counts shared memory once per process; read the exact sum only if the cheap one
    // is over.
    if (sum(pids, residentBytes) <= limit) continue;
    const used = sum(pids, (pid) => proportionalBytes(pid) ?? residentBytes(pid));
    if (used > limit) over.set(group, used);
  }
  return over;
}

/** With a smaller heap, Node crashes before it can report a full heap. */
const heapMinMiB = 32;

/**
 * Node's heap bound, MiB, for a program with this memory bound: 3/4 of it; the rest is for memory
 * outside the heap.
 */
export function heapMiB(memoryBytes: number): number {
  return Math.max(heapMinMiB, Math.floor((memoryBytes * 3) / 4 / 2 ** 20));
}

function residentBytes(pid: number): number {
  return kibibytesOf(/^VmRSS:\s+(\d+) kB$/m, `/proc/${pid}/status`) ?? 0;
}

function proportionalBytes(pid: number): number | undefined {
  return kibibytesOf(/^Pss:\s+(\d+) kB$/m, `/proc/${pid}/smaps_rollup`);
}

function kibibytesOf(line: RegExp, path: string): number | undefined {
  const amount = line.exec(readIfAny(path) ?? "")?.[1];
  return amount === undefined ? undefined : Number(amount) * 1024;
}

const sum = (pids: readonly number[], bytesOf: (pid: number) => number): number => pids.reduce((all, pid) => all + bytesOf(pid), 0);
