import { mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readIfAny } from "./process-identity.ts";

const mount = "/sys/fs/cgroup";
/** Where the controller itself is, as a cgroup that has members hands nothing down to others; `DelegateSubgroup=` for systemd. */
const subgroup = "controller";
const prefix = "replica-";

/**
 * The part of the cgroup tree (version 2) that was handed to us, if one was: a cgroup for each replica, in which the kernel holds it to its
 * memory. Source: Linux, Documentation/admin-guide/cgroup-v2.rst, "Delegation" and "No Internal Process Constraint".
 */
export class Cgroups {
  readonly #folder: string;

  /** Undefined: none is ours. A user's own is one that the user may write to; root's only where systemd or a container says so by its name. */
  static open(): Cgroups | undefined {
    const path = ownPath();
    if (path === undefined) return undefined;
    const isInside = basename(path) === subgroup;
    const folder = join(mount, isInside ? dirname(path) : path);
    if (!isInside && path !== "/" && process.getuid?.() === 0) return undefined;
    if (!readIfAny(join(folder, "cgroup.controllers"))?.split(/\s/).includes("memory")) return undefined;
    const own = join(folder, subgroup);
    try {
      mkdirSync(own, { recursive: true });
      write(own, "cgroup.procs", String(process.pid));
      // Fails where anybody else is in it: then it is not ours alone.
      write(folder, "cgroup.subtree_control", "+memory");
      return new Cgroups(folder);
    } catch {
      if (!isInside) attempt(() => write(folder, "cgroup.procs", String(process.pid)));
      if (!isInside) attempt(() => rmdirSync(own));
      return undefined;
    }
  }

  private constructor(folder: string) {
    this.#folder = folder;
    for (const name of readdirSync(folder)) if (name.startsWith(prefix)) attempt(() => rmdirSync(join(folder, name)));
  }

  /** Makes the cgroup of a replica that may use so much memory; 0: as much as there is. */
  create(replicaId: string, memoryBytes: number): Cgroup {
    const path = join(this.#folder, `${prefix}${replicaId}`);
    mkdirSync(path, { recursive: true });
    if (memoryBytes > 0) {
      write(path, "memory.max", String(memoryBytes));
      // Where the machine can swap, that does not make it more.
      attempt(() => write(path, "memory.swap.max", "0"));
      write(path, "memory.oom.group", "1");
    }
    return new Cgroup(path);
  }

  /** The cgroup that a former controller made for a replica. */
  find(replicaId: string): Cgroup | undefined {
    const path = join(this.#folder, `${prefix}${replicaId}`);
    return readIfAny(join(path, "cgroup.procs")) === undefined ? undefined : new Cgroup(path);
  }
}

/** The cgroup of one replica: all its processes, whatever they make of themselves. */
export class Cgroup {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** What a program's command line begins with, so that it is a member before it does anything. */
  get enter(): readonly string[] {
    return ["/bin/sh", "-c", 'echo 0 >"$0" && exec "$@"', join(this.#path, "cgroup.procs")];
  }

  /** Whether the kernel ended it for want of memory. */
  get ranOut(): boolean {
    return /^oom_kill [1-9]/m.test(readIfAny(join(this.#path, "memory.events")) ?? "");
  }

  /** Ends all its members. */
  kill(): void {
    attempt(() => write(this.#path, "cgroup.kill", "1"));
  }

  /** Ends all its members and, as soon as they are gone, the cgroup: now, or when the next controller starts. */
  remove(): void {
    this.kill();
    attempt(() => rmdirSync(this.#path));
  }
}

/** The least that the cgroups (version 2) above a process of ours may use of memory, bytes; infinite: there is no such bound. */
export function cgroupMemoryBytes(): number {
  const parts = (ownPath() ?? "/").split("/");
  const limits = parts.map((_, depth) => Number(readIfAny(join(mount, ...parts.slice(0, depth + 1), "memory.max")) ?? Number.NaN));
  return Math.min(...limits.filter(Number.isFinite), Number.POSITIVE_INFINITY);
}

/** The path of our cgroup (version 2) below the mount. */
function ownPath(): string | undefined {
  return /^0::(\/.*)$/m.exec(readIfAny("/proc/self/cgroup") ?? "")?.[1];
}

function write(folder: string, file: string, text: string): void {
  writeFileSync(join(folder, file), text);
}

/** What is not there, or not allowed, is done without. */
function attempt(run: () => void): void {
  try {
    run();
  } catch {}
}
