import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readIfAny } from "./process-identity.ts";

const mount = "/sys/fs/cgroup";
/** Where the controller itself is, as a cgroup that has members hands nothing down to others: systemd's `DelegateSubgroup=controller`. */
const subgroup = "controller";

/**
 * The part of the cgroup tree (version 2) that was handed to us, if one was: a cgroup for each replica, in which the kernel holds it to its
 * memory. Source: Linux, Documentation/admin-guide/cgroup-v2.rst, "Delegation" and "No Internal Process Constraint".
 */
export class Cgroups {
  readonly #folder: string;
  readonly #prefix: string;
  /** Replicas whose cgroups are wanted. */
  readonly #kept = new Set<string>();

  /**
   * For the controller on this data folder. Undefined: none was handed to us, as by systemd, which puts a service that asks for it into a
   * cgroup of that name, or by a container, of which we are all.
   */
  static open(dataDir: string): Cgroups | undefined {
    const path = ownPath();
    if (path === undefined) return undefined;
    const isInside = basename(path) === subgroup;
    const folder = join(mount, isInside ? dirname(path) : path);
    // The root of the machine's tree has no such file; that of a container has.
    if (!isInside && (path !== "/" || !existsSync(join(folder, "memory.max")))) return undefined;
    if (!readIfAny(join(folder, "cgroup.controllers"))?.split(/\s/).includes("memory")) return undefined;
    const own = join(folder, subgroup);
    try {
      mkdirSync(own, { recursive: true });
      if (!isInside) write(own, "cgroup.procs", String(process.pid));
      // Fails where anybody else is in it: then it is not ours alone.
      write(folder, "cgroup.subtree_control", "+memory");
      // Linux before 5.14 cannot end all members of one.
      if (!existsSync(join(own, "cgroup.kill"))) throw new Error("no cgroup.kill");
      return new Cgroups(folder, dataDir);
    } catch {
      if (!isInside) attempt(() => write(folder, "cgroup.procs", String(process.pid)));
      if (!isInside) attempt(() => rmdirSync(own));
      return undefined;
    }
  }

  /** `folder` is that of the cgroup. */
  constructor(folder: string, dataDir: string) {
    this.#folder = folder;
    // Another controller may have its replicas beside ours.
    this.#prefix = `replica-${createHash("sha256").update(dataDir).digest("hex").slice(0, 8)}-`;
  }

  /** Makes the cgroup of a replica that may use so much memory; 0: as much as there is. */
  create(replicaId: string, memoryBytes: number): Cgroup {
    this.#kept.add(replicaId);
    const path = this.#pathOf(replicaId);
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
    const path = this.#pathOf(replicaId);
    if (!existsSync(path)) return undefined;
    this.#kept.add(replicaId);
    return new Cgroup(path);
  }

  /** The replica has none any more. */
  release(replicaId: string): void {
    this.#kept.delete(replicaId);
    this.sweep();
  }

  /** Removes what nobody wants any more and has no members: the last of them may take a moment to end. */
  sweep(): void {
    const kept = new Set([...this.#kept].map((id) => basename(this.#pathOf(id))));
    for (const name of readdirSync(this.#folder))
      if (name.startsWith(this.#prefix) && !kept.has(name)) attempt(() => rmdirSync(join(this.#folder, name)));
  }

  #pathOf(replicaId: string): string {
    return join(this.#folder, this.#prefix + replicaId);
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

  /** Whether the kernel ended a member for want of memory, and whether it was its own bound that was reached (`memory.events`). */
  get outOfMemory(): "own" | "others" | undefined {
    const events = readIfAny(join(this.#path, "memory.events")) ?? "";
    if (!/^oom_kill [1-9]/m.test(events)) return undefined;
    return /^oom [1-9]/m.test(events) ? "own" : "others";
  }

  /** Ends all its members. */
  kill(): void {
    attempt(() => write(this.#path, "cgroup.kill", "1"));
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
