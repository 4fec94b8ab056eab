import { existsSync, mkdtempSync, renameSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type BundleFile, type BundleReader, bytesOf, digestOf, hexOf, isSha256 } from "../../core/bundle.ts";
import { formatBytes } from "../../core/resources.ts";
import type { Log } from "../../log/log.ts";
import { bundleDigest, manifestText, readManifest } from "../../program/bundle-manifest.ts";
import { filesIn, isWhole, listIn, sealOf } from "./folder-seal.ts";
import { removeReadOnly } from "./remove-read-only.ts";
import { SharedWork } from "./shared-work.ts";
import { UnpackError, unpack } from "./unpack.ts";

/** What the name of a folder has in which a program wrote, and in which replicas run still. */
const altered = ".altered.";
/** How often a bundle is unpacked for one replica, where programs write in it all the time. */
const triesMax = 10;

export interface UnpackedBundlesOptions {
  /** The folder of all unpacked bundles; made if missing. */
  readonly folder: string;
  readonly reader: BundleReader;
  /** The digests of bundles that are not dropped. */
  readonly needed: () => ReadonlySet<string>;
  readonly log: Log;
}

/** A bundle that is unpacked. */
export interface UnpackedBundle {
  readonly files: readonly BundleFile[];
  /** Where its files are. They do not change. */
  readonly folder: string;
}

/**
 * Bundles as folders of files: one for each digest, shared by its replicas. A bundle is unpacked
 * under another name, and is there when that folder gets the name of its digest. A folder in which
 * something was written afterwards is not handed out again: the bundle is unpacked in its place, and
 * the replicas that run keep the former folder as their working folder.
 * Invariant: a folder that is handed out is complete, and its files are those of the digest. It
 * exists until it is given back.
 */
export class UnpackedBundles {
  readonly #options: UnpackedBundlesOptions;
  readonly #work = new SharedWork();
  /** How often each bundle is handed out now, by its digest. */
  readonly #held = new Map<string, number>();
  /** The seal of each bundle that was unpacked, or read to its end, by this process. */
  readonly #seals = new Map<string, string>();
  /** The checks that are going on, each of what was written in a bundle. */
  readonly #checks = new Map<string, Promise<boolean>>();
  /** The folders that are being filled, by name. */
  readonly #parts = new Set<string>();
  #dropping: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: UnpackedBundlesOptions) {
    this.#options = options;
  }

  /**
   * Called before the first use, and after the replicas of earlier controllers hold theirs. Drops
   * what a killed controller left.
   */
  async open(): Promise<void> {
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Node looks for the package of a module in the folders above it. It must not find another one.
    await writeFile(join(folder, "package.json"), "{}\n", { flag: "wx" }).catch(() => {}); // it is there
    this.drop();
  }

  /** Whether the bundle is unpacked now. */
  isThere(digest: string): boolean {
    return existsSync(this.#pathOf(digest));
  }

  /** Hands out the folder of a bundle's files if it is unpacked, and as it was; else undefined. */
  async find(digest: string): Promise<string | undefined> {
    if (!this.isThere(digest)) return undefined;
    this.hold(digest); // before the check: it is not dropped meanwhile
    if (await this.#isUnaltered(digest)) return filesIn(this.#pathOf(digest));
    this.giveBack(digest);
    return undefined;
  }

  /**
   * Hands out the folder of a bundle's files once it is unpacked. Fails with an `UnpackError`, and
   * with the error of the system or the store. A bundle that no caller waits for is not unpacked
   * further.
   */
  async unpack(digest: string, signal: AbortSignal): Promise<string> {
    for (let tries = 0; ; tries++) {
      const found = await this.find(digest);
      if (found !== undefined) return found;
      if (this.#closed) throw new UnpackError("the controller is ending");
      if (tries === triesMax) throw new UnpackError(`programs write into the unpacked bundle ${digest} all the time: they must not`);
      await this.#work.join(digest, (stop) => this.#unpack(digest, stop), signal);
    }
  }

  /** The files of a bundle that is handed out. */
  async filesOf(digest: string): Promise<readonly BundleFile[]> {
    return readManifest(await readFile(listIn(this.#pathOf(digest)), "utf8"));
  }

  /** Begins one use of a bundle, such as that of a replica of an earlier controller. */
  hold(digest: string): void {
    this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
  }

  /** Ends one use of a bundle that was handed out. */
  giveBack(digest: string): void {
    const count = (this.#held.get(digest) ?? 0) - 1;
    if (count > 0) this.#held.set(digest, count);
    else this.#held.delete(digest);
  }

  /** Drops bundles that no replica uses and no kept revision needs. Goes on in the background. */
  drop(): void {
    const { log } = this.#options;
    this.#dropping = this.#dropping
      .then(() => this.#drop())
      .catch((err: unknown) => log.warn({ err }, "unpacked bundles that nothing needs were not removed; trying again"));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#work.close();
    await this.#dropping;
  }

  #pathOf(digest: string): string {
    return join(this.#options.folder, hexOf(digest));
  }

  /** Whether the unpacked bundle is as it was. Replicas that start at the same time share the answer. */
  #isUnaltered(digest: string): Promise<boolean> {
    const other = this.#checks.get(digest);
    if (other !== undefined) return other;
    const check = this.#check(digest).finally(() => this.#checks.delete(digest));
    this.#checks.set(digest, check);
    return check;
  }

  async #check(digest: string): Promise<boolean> {
    const path = this.#pathOf(digest);
    const known = this.#seals.get(digest);
    const seal = await sealOf(path);
    if (known !== undefined || seal === undefined) return seal !== undefined && seal === known;
    // An earlier controller has unpacked it, perhaps before the machine lost its power.
    if (!(await isWhole(path, digest))) return false;
    this.#seals.set(digest, seal);
    return true;
  }

  async #unpack(digest: string, signal: AbortSignal): Promise<void> {
    const { reader, log } = this.#options;
    if (this.isThere(digest) && (await this.#isUnaltered(digest))) return; // another caller was first
    const files = await reader.bundle(digest);
    if (files === undefined) {
      throw new UnpackError(`bundle ${digest} is not kept by the controller any more: deploy again from the program's folder`);
    }
    if (bundleDigest(files) !== digest) {
      throw new UnpackError(
        `the list of files of bundle ${digest} is broken where the controller keeps it: deploy again after it is removed`,
      );
    }
    // No await between these: a folder that is not known as a part is removed.
    const part = mkdtempSync(`${this.#pathOf(digest)}.`);
    const name = basename(part);
    this.#parts.add(name);
    try {
      await mkdir(filesIn(part), { mode: 0o700 });
      await unpack({ digest, files, folder: filesIn(part), reader }, signal);
      await writeFile(listIn(part), manifestText(files), { mode: 0o400 });
      const seal = await sealOf(part);
      if (this.isThere(digest)) {
        log.warn({ bundle: digest }, "a program wrote into the unpacked files of a bundle, which are unpacked again");
        this.#putAside(hexOf(digest), altered);
      }
      renameSync(part, this.#pathOf(digest)); // no await since: the bundle is always there
      if (seal !== undefined) this.#seals.set(digest, seal);
      log.info({ bundle: digest, files: files.length, size: formatBytes(bytesOf(files)) }, "unpacked a bundle");
    } catch (cause) {
      await removeReadOnly(part).catch((err: unknown) => log.warn({ err }, "a part of a bundle was not removed; trying again"));
      throw cause;
    } finally {
      this.#parts.delete(name);
    }
  }

  async #drop(): Promise<void> {
    const { folder, needed } = this.#options;
    const names = await readdir(folder);
    const hexes = new Set([...needed(), ...this.#held.keys()].map(hexOf));
    // No await between this and the renaming: what is handed out from now on is not found there.
    for (const name of names) if (isSha256(name) && !hexes.has(name)) this.#putAside(name);
    for (const name of await readdir(folder)) {
      const [hex = ""] = name.split(".");
      if (hex === name || !isSha256(hex) || this.#parts.has(name)) continue;
      if (name.includes(altered) && this.#held.has(digestOf(hex))) continue;
      await removeReadOnly(join(folder, name));
    }
  }

  /** Takes its name from a bundle, to remove it afterwards. */
  #putAside(name: string, mark = "."): void {
    const path = join(this.#options.folder, name);
    renameSync(path, join(mkdtempSync(path + mark), "dropped"));
    this.#seals.delete(digestOf(name));
  }
}
