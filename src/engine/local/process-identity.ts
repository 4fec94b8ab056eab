import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Identifies a process for ever: a pid is reused, a pid with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the system's own form: clock ticks since boot (Linux), a date (macOS). */
  readonly started: string;
}

const linux = process.platform === "linux";

/**
 * A shell script that records its own process in the file `$0`, then becomes the program `$@`, so
 * that every running process is recorded. It ends without running the program if the file exists
 * (`noclobber`): the creator of the file decides. The shell's only variable has a name that no
 * program is given.
 */
export const recordAndExec = linux
  ? 'set -C; read -r DROVER_STAT </proc/$$/stat && echo "$DROVER_STAT" >"$0" && exec "$@"'
  : 'set -C; echo "$$ - $(ps -o lstart= -p $$)" >"$0" && exec "$@"';

/** Reads the record of `recordAndExec`; undefined: it is incomplete. */
export function parseIdentity(record: string): ProcessIdentity | undefined {
  const facts = record.endsWith("\n") ? parseFacts(record) : undefined;
  return facts && { pid: facts.pid, started: facts.started };
}

/** Whether exactly this process is running. A zombie, which only waits for its parent, is not. */
export async function isRunning({ pid, started }: ProcessIdentity): Promise<boolean> {
  const facts = await observe(pid);
  return facts !== undefined && facts.started === started && !/^[ZX]/.test(facts.state);
}

/**
 * Whether the pid belongs to another process now. The system never reuses the pid of a group that
 * has members, so then the process has ended and its group is empty.
 */
export async function isTaken({ pid, started }: ProcessIdentity): Promise<boolean> {
  const facts = await observe(pid);
  return facts !== undefined && facts.started !== started;
}

/**
 * Whether a process of the group `pid` has the variable `setting` (`name=value`). If the leader of
 * a group ended at an unknown time, the group may be another one with the same number now. True on
 * systems that do not show variables.
 */
export function groupHas(pid: number, setting: string): boolean {
  if (!linux) return true;
  const members = processIds().filter((member) => groupOf(readIfAny(`/proc/${member}/stat`) ?? "") === pid);
  return members.some((member) => readIfAny(`/proc/${member}/environ`)?.split("\0").includes(setting));
}

/**
 * Processes, of any group, that have one of these variables (`name=value`). Empty on systems that
 * do not show them.
 */
function processesWith(settings: ReadonlySet<string>): readonly number[] {
  if (!linux || settings.size === 0) return [];
  const carries = (pid: number) =>
    readIfAny(`/proc/${pid}/environ`)
      ?.split("\0")
      .some((one) => settings.has(one)) === true;
  return processIds().filter(carries);
}

/** Kills all processes that have one of these variables (`name=value`). */
export function killProcessesWith(settings: ReadonlySet<string>): void {
  for (const pid of processesWith(settings)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended, or belongs to another user.
    }
  }
}

/** The process group in a line of `/proc/<pid>/stat`. */
export function groupOf(stat: string): number {
  return Number(/ \S \d+ (\d+)/.exec(stat.slice(stat.lastIndexOf(")") + 1))?.[1]);
}

/** Identifies the current boot of the machine; empty on systems that do not report it. */
export function bootId(): string {
  return (linux && readIfAny("/proc/sys/kernel/random/boot_id")?.trim()) || "";
}

interface ProcessFacts extends ProcessIdentity {
  readonly state: string;
}

async function observe(pid: number): Promise<ProcessFacts | undefined> {
  if (linux) return parseFacts(readIfAny(`/proc/${pid}/stat`) ?? "");
  return new Promise((resolve) => {
    execFile("ps", ["-o", "stat=,lstart=", "-p", String(pid)], (error, stdout) =>
      resolve(error ? undefined : parseFacts(`${pid} ${stdout}`)),
    );
  });
}

/** Reads a line of `/proc/<pid>/stat`, or `pid state start` from `ps`. */
function parseFacts(text: string): ProcessFacts | undefined {
  const [, pid, rest] = (linux ? /^(\d+) \(.*\) (.*)$/s : /^(\d+)\s+(.*)$/s).exec(text.trim()) ?? [];
  const [state, ...fields] = rest?.split(/\s+/) ?? [];
  const started = linux ? fields[18] : fields.join(" "); // field 22 of the line, the state being field 3
  return state && started ? { pid: Number(pid), state, started } : undefined;
}

/** The ids of all processes; empty on systems without `/proc`. */
export function processIds(): readonly number[] {
  try {
    return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? Number(name) : []));
  } catch {
    return [];
  }
}

/**
 * The file's text; undefined: it cannot be read. Synchronous, because files of /proc are not on a
 * disk.
 */
export function readIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
