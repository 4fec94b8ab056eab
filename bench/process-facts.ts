import { readdirSync, readFileSync } from "node:fs";

/** The unit of CPU time in `/proc/<pid>/stat`: always hundredths of a second for user space. */
const msPerCpuTick = 10;

/**
 * The fields of `/proc/<pid>/stat` from the third, the state, on; the second, the program's name,
 * may contain spaces.
 */
function statOf(pid: number | "self"): readonly string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

const field = (stat: readonly string[], number: number) => Number(stat[number - 3]);

/** CPU time of a process, user and system, milliseconds. */
export function cpuMsOf(pid: number): number {
  const stat = statOf(pid);
  return (field(stat, 14) + field(stat, 15)) * msPerCpuTick;
}

/** CPU time of our children that have ended, milliseconds. */
export function cpuMsOfEnded(): number {
  const stat = statOf("self");
  return (field(stat, 16) + field(stat, 17)) * msPerCpuTick;
}

/** The process's child that runs this program. */
export function childOf(parent: number, program: string): number {
  const found = readdirSync("/proc").find((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return field(statOf(Number(name)), 4) === parent && readFileSync(`/proc/${name}/comm`, "utf8").trim() === program;
    } catch {
      return false; // it has ended
    }
  });
  if (found === undefined) throw new Error(`process ${parent} has no child ${program}`);
  return Number(found);
}

/**
 * A process's memory in bytes: all resident memory, and the part that no file backs, which is not
 * shared.
 */
export function memoryOf(pid: number): { readonly resident: number; readonly own: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
  return { resident: bytes("VmRSS"), own: bytes("RssAnon") };
}
