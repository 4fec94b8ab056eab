import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A process that no other is ever taken for: pids are reused, a pid and its start time are not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the system's own form: clock ticks since boot (Linux), a date (macOS). */
  readonly started: string;
}

const linux = process.platform === "linux";

/**
 * A shell script that writes its own process down in the file `$0`, then becomes the program `$@`, so that no process is ever
 * running that nobody has written down. It gives up if the file exists: whoever creates the file decides (`noclobber`).
 */
export const recordAndExec = linux
  ? 'set -C; read -r stat </proc/$$/stat && echo "$stat" >"$0" && exec "$@"'
  : 'set -C; echo "$$ - $(ps -o lstart= -p $$)" >"$0" && exec "$@"';

/** Reads what `recordAndExec` has written; undefined: it is not whole. */
export function parseIdentity(record: string): ProcessIdentity | undefined {
  const facts = record.endsWith("\n") ? parseFacts(record) : undefined;
  return facts && { pid: facts.pid, started: facts.started };
}

/** Whether this very process is running. One that has ended and only waits to be reaped by its parent is not. */
export async function isRunning({ pid, started }: ProcessIdentity): Promise<boolean> {
  const facts = await observe(pid);
  return facts !== undefined && facts.started === started && !/^[ZX]/.test(facts.state);
}

/**
 * Whether the pid now belongs to another process. The system gives no process the pid of a group that has members: so then the
 * process has ended and nothing is left of its group.
 */
export async function isTaken({ pid, started }: ProcessIdentity): Promise<boolean> {
  const facts = await observe(pid);
  return facts !== undefined && facts.started !== started;
}

/**
 * Whether a process of the group `pid` was given the variable `setting` (`name=value`): a group whose leader ended nobody knows
 * when may by now be another one of the same number. True where the system does not show it.
 */
export function groupHas(pid: number, setting: string): boolean {
  if (!linux) return true;
  const members = processIds().filter((member) => groupOf(readIfAny(`/proc/${member}/stat`) ?? "") === pid);
  return members.some((member) => readIfAny(`/proc/${member}/environ`)?.split("\0").includes(setting));
}

/** Processes that were given one of these settings (`name=value`), whatever group they are in. None where the system does not show it. */
function processesWith(settings: ReadonlySet<string>): readonly number[] {
  if (!linux || settings.size === 0) return [];
  const carries = (pid: number) =>
    readIfAny(`/proc/${pid}/environ`)
      ?.split("\0")
      .some((one) => settings.has(one)) === true;
  return processIds().filter(carries);
}

/** Ends all processes that were given one of these settings. */
export function killProcessesWith(settings: ReadonlySet<string>): void {
  for (const pid of processesWith(settings)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended, or is another user's.
    }
  }
}

/** The process group in a line of `/proc/<pid>/stat`. */
export function groupOf(stat: string): number {
  return Number(/ \S \d+ (\d+)/.exec(stat.slice(stat.lastIndexOf(")") + 1))?.[1]);
}

/** Tells one start of the machine from another; empty where the system does not say. */
export function bootId(): string {
  return (linux && readIfAny("/proc/sys/kernel/random/boot_id")?.trim()) || "";
}

interface Facts extends ProcessIdentity {
  readonly state: string;
}

async function observe(pid: number): Promise<Facts | undefined> {
  if (linux) return parseFacts(readIfAny(`/proc/${pid}/stat`) ?? "");
  return new Promise((resolve) => {
    execFile("ps", ["-o", "stat=,lstart=", "-p", String(pid)], (error, stdout) =>
      resolve(error ? undefined : parseFacts(`${pid} ${stdout}`)),
    );
  });
}

/** Reads a line of `/proc/<pid>/stat`, or `pid state start` as `ps` gives them. */
function parseFacts(text: string): Facts | undefined {
  const [, pid, rest] = (linux ? /^(\d+) \(.*\) (.*)$/s : /^(\d+)\s+(.*)$/s).exec(text.trim()) ?? [];
  const [state, ...fields] = rest?.split(/\s+/) ?? [];
  const started = linux ? fields[18] : fields.join(" "); // field 22 of the line, the state being field 3
  return state && started ? { pid: Number(pid), state, started } : undefined;
}

/** Every process there is; none where the system does not show them. */
export function processIds(): readonly number[] {
  try {
    return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? Number(name) : []));
  } catch {
    return [];
  }
}

/** Files of /proc are read at once: they are not on a disk. */
export function readIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
