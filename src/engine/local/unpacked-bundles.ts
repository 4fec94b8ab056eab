import { existsSync, mkdtempSync, renameSync } from "node:fs";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type BundleFile, type BundleReader, digestOf, hexOf, isSha256 } from "../../core/bundle.ts";
import { formatBytes } from "../../core/resources.ts";
import type { Log } from "../../log/log.ts";
import { bundleDigest, manifestText, readManifest } from "../../program/bundle-manifest.ts";
import { bootId } from "./process-identity.ts";
import { removeReadOnly } from "./remove-read-only.ts";
import { SharedWork } from "./shared-work.ts";
import { UnpackError, unpack } from "./unpack.ts";

export interface UnpackedBundlesOptions {
  /** The folder of all unpacked bundles; made if missing. */
  readonly folder: string;
  readonly reader: BundleReader;
  /** The digests of bundles that are not dropped. */
  readonly needed: () => ReadonlySet<string>;
  readonly log: Log;
}

/**
 * Bundles as folders of files: one for each digest, shared by its replicas. A bundle is unpacked
 * under another name, and is there when that folder gets the name of its digest.
 * Invariant: a folder of that name is complete, and its files are those of the digest. One that was
 * handed out exists until it is given back.
 */
export class UnpackedBundles {
  readonly #options: UnpackedBundlesOptions;
  readonly #work = new SharedWork();
  /** How often each bundle is handed out now, by its digest. */
  readonly #held = new Map<string, number>();
  /** The folders that are being filled, by name. */
  readonly #parts = new Set<string>();
  #dropping: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: UnpackedBundlesOptions) {
    this.#options = options;
  }

  /**
   * Called before the first use, and after the replicas of earlier controllers hold theirs. Drops what a killed controller left, and what was unpacked before
   * the machine started: a machine that lost its power may have lost parts of files.
   */
  async open(): Promise<void> {
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Node looks for the package of a module in the folders above it. It must not find another one.
    await writeFile(join(folder, "package.json"), "{}\n", { flag: "wx" }).catch(() => {}); // it is there
    const former = await readFile(join(folder, "boot"), "utf8").catch(() => "");
    const boot = bootId();
    if (former !== boot) {
      for (const name of await readdir(folder)) if (isSha256(name) && !this.#held.has(digestOf(name))) this.#putAside(name);
      await writeFile(join(folder, "boot"), boot);
    }
    this.drop();
  }

  /** Whether the bundle is unpacked now. */
  isThere(digest: string): boolean {
    return existsSync(this.#filesAt(digest));
  }

  /** Hands out the folder of a bundle's files if it is unpacked; else undefined. */
  find(digest: string): string | undefined {
    if (!this.isThere(digest)) return undefined;
    this.hold(digest);
    return this.#filesAt(digest);
  }

  /**
   * Hands out the folder of a bundle's files once it is unpacked. Fails with an `UnpackError`, and
   * with the error of the system or the store. A bundle that no caller waits for is not unpacked
   * further.
   */
  async unpack(digest: string, signal: AbortSignal): Promise<string> {
    for (;;) {
      const found = this.find(digest);
      if (found !== undefined) return found;
      if (this.#closed) throw new UnpackError("the controller is ending");
      await this.#work.join(digest, (stop) => this.#unpack(digest, stop), signal);
    }
  }

  /** The files of a bundle that is handed out. */
  async filesOf(digest: string): Promise<readonly BundleFile[]> {
    return readManifest(await readFile(join(this.#pathOf(digest), "list"), "utf8"));
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

  #filesAt(digest: string): string {
    return join(this.#pathOf(digest), "files");
  }

  async #unpack(digest: string, signal: AbortSignal): Promise<void> {
    const { reader, log } = this.#options;
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
      await mkdir(join(part, "files"), { mode: 0o700 });
      await unpack({ digest, files, folder: join(part, "files"), reader }, signal);
      await writeFile(join(part, "list"), manifestText(files), { mode: 0o400 });
      await rename(part, this.#pathOf(digest));
      const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      log.info({ bundle: digest, files: files.length, size: formatBytes(bytes) }, "unpacked a bundle");
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
      if (name.includes(".") && isSha256(name.split(".")[0] ?? "") && !this.#parts.has(name)) await removeReadOnly(join(folder, name));
    }
  }

  /** Takes its name from a bundle, to remove it afterwards. */
  #putAside(name: string): void {
    const path = join(this.#options.folder, name);
    renameSync(path, join(mkdtempSync(`${path}.`), "dropped"));
  }
}
