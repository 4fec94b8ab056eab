import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readIfAny } from "./process-identity.ts";

const mount = "/sys/fs/cgroup";
/**
 * The cgroup of the controller itself, because a cgroup with members cannot delegate controllers to
 * children. As systemd's `DelegateSubgroup=controller`.
 */
const subgroup = "controller";

/**
 * The part of the cgroup tree (version 2) that is delegated to this process: a cgroup for each
 * replica, in which the kernel enforces the memory bound. Source: Linux,
 * Documentation/admin-guide/cgroup-v2.rst, "Delegation" and "No Internal Process Constraint".
 */
export class Cgroups {
  readonly #folder: string;
  readonly #prefix: string;
  /** Replicas whose cgroups are in use. */
  readonly #kept = new Set<string>();

  /**
   * For the controller on this data folder; undefined: nothing is delegated. systemd delegates to a
   * service with `DelegateSubgroup=controller`; in a container, the root of its cgroup namespace is
   * delegated.
   */
  static open(dataDir: string): Cgroups | undefined {
    const path = ownPath();
    if (path === undefined) return undefined;
    const isInside = basename(path) === subgroup;
    const folder = join(mount, isInside ? dirname(path) : path);
    // The root of the machine's tree has no memory.max; the root in a container has.
    if (!isInside && (path !== "/" || !existsSync(join(folder, "memory.max")))) return undefined;
    if (!readIfAny(join(folder, "cgroup.controllers"))?.split(/\s/).includes("memory")) return undefined;
    const own = join(folder, subgroup);
    try {
      mkdirSync(own, { recursive: true });
      if (!isInside) write(own, "cgroup.procs", String(process.pid));
      // Fails if the cgroup has other members: then it is not delegated to us alone.
      write(folder, "cgroup.subtree_control", "+memory");
      // Linux before 5.14 cannot kill all members of a cgroup.
      if (!existsSync(join(own, "cgroup.kill"))) throw new Error("no cgroup.kill");
      return new Cgroups(folder, dataDir);
    } catch {
      if (!isInside) attempt(() => write(folder, "cgroup.procs", String(process.pid)));
      if (!isInside) attempt(() => rmdirSync(own));
      return undefined;
    }
  }

  /** `folder` is the folder of the delegated cgroup. */
  constructor(folder: string, dataDir: string) {
    this.#folder = folder;
    // Another controller may have its replicas in the same cgroup.
    this.#prefix = `replica-${createHash("sha256").update(dataDir).digest("hex").slice(0, 8)}-`;
  }

  /** Makes the cgroup of a replica with this memory bound; 0: no bound. */
  create(replicaId: string, memoryBytes: number): Cgroup {
    this.#kept.add(replicaId);
    const path = this.#pathOf(replicaId);
    mkdirSync(path, { recursive: true });
    if (memoryBytes > 0) {
      write(path, "memory.max", String(memoryBytes));
      // Swap must not add to the bound. The file is missing on a machine without swap.
      attempt(() => write(path, "memory.swap.max", "0"));
      write(path, "memory.oom.group", "1");
    }
    return new Cgroup(path);
  }

  /** The cgroup that an earlier controller made for a replica; undefined: none. */
  find(replicaId: string): Cgroup | undefined {
    const path = this.#pathOf(replicaId);
    if (!existsSync(path)) return undefined;
    this.#kept.add(replicaId);
    return new Cgroup(path);
  }

  /** Gives up the replica's cgroup, which is removed when it has no members. */
  release(replicaId: string): void {
    this.#kept.delete(replicaId);
    this.sweep();
  }

  /**
   * Removes the cgroups that are not in use and have no members; the last member may take a moment
   * to end.
   */
  sweep(): void {
    const kept = new Set([...this.#kept].map((id) => basename(this.#pathOf(id))));
    for (const name of readdirSync(this.#folder))
      if (name.startsWith(this.#prefix) && !kept.has(name)) attempt(() => rmdirSync(join(this.#folder, name)));
  }

  #pathOf(replicaId: string): string {
    return join(this.#folder, this.#prefix + replicaId);
  }
}

/** The cgroup of one replica. Its processes stay in it, also if they leave their process group. */
export class Cgroup {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The prefix of a command line that makes the process a member before the program runs. */
  get enter(): readonly string[] {
    return ["/bin/sh", "-c", 'echo 0 >"$0" && exec "$@"', join(this.#path, "cgroup.procs")];
  }

  /**
   * Whether the kernel killed a member because memory ran out (`memory.events`): `own`: the cgroup
   * reached its bound, `others`: the machine or a parent did; undefined: no kill.
   */
  get outOfMemory(): "own" | "others" | undefined {
    const events = readIfAny(join(this.#path, "memory.events")) ?? "";
    if (!/^oom_kill [1-9]/m.test(events)) return undefined;
    return /^oom [1-9]/m.test(events) ? "own" : "others";
  }

  /** Kills all its members. */
  kill(): void {
    attempt(() => write(this.#path, "cgroup.kill", "1"));
  }
}

/**
 * The lowest memory bound, in bytes, of this process's cgroup (version 2) and its parents;
 * infinite: no bound.
 */
export function cgroupMemoryBytes(): number {
  const parts = (ownPath() ?? "/").split("/");
  const limits = parts.map((_, depth) => Number(readIfAny(join(mount, ...parts.slice(0, depth + 1), "memory.max")) ?? Number.NaN));
  return Math.min(...limits.filter(Number.isFinite), Number.POSITIVE_INFINITY);
}

/** The path of this process's cgroup (version 2) below the mount. */
function ownPath(): string | undefined {
  return /^0::(\/.*)$/m.exec(readIfAny("/proc/self/cgroup") ?? "")?.[1];
}

function write(folder: string, file: string, text: string): void {
  writeFileSync(join(folder, file), text);
}

/** Ignores failures: the file may be missing, or the write not allowed. */
function attempt(run: () => void): void {
  try {
    run();
  } catch {}
}
