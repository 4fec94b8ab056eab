import type { BundleBounds, BundleFile, BundleReader } from "../core/bundle.ts";

/**
 * How long unneeded files and bundles are kept after their last use. Uploaded files are unneeded until
 * they are those of a bundle.
 */
export const unneededMs = 3_600_000;

/**
 * Keeps the files of bundles by content, each once, and the lists of files that are bundles. What
 * is written is whole: a file has the SHA-256 and the size that its caller has checked, and a bundle
 * only files that are kept. Fails with `STORAGE_FULL` where there is no room, and with
 * `STORE_UNAVAILABLE` where it cannot be reached.
 * Invariant: a kept bundle has all its files.
 */
export interface BundleStore extends BundleReader {
  readonly bounds: BundleBounds;
  /** The files that are not kept, each once. To ask for a file that is kept is a use of it. */
  missingFiles(sha256s: readonly string[]): Promise<readonly string[]>;
  /** Begins to store files, which are kept all together at its end. */
  openUpload(): Promise<BundleUpload>;
  /**
   * Keeps the list of files as a bundle, and returns its digest; or the files that are not kept, or
   * not with the size that the list says. A use of the bundle and its files.
   */
  createBundle(files: readonly BundleFile[]): Promise<CreatedBundle>;
  /** Whether a bundle is kept. A use of it. */
  useBundle(digest: string): Promise<boolean>;
  /**
   * Drops bundles that are neither `needed` nor were used for {@link unneededMs}, and files that no
   * kept bundle has and that were not used for as long. Only a leader sweeps. Nothing is dropped
   * before a process has seen it unneeded for that long.
   */
  sweep(needed: ReadonlySet<string>): Promise<SweptBundles>;
  close(): Promise<void>;
}

export type CreatedBundle =
  | { readonly kind: "created"; readonly digest: string }
  | { readonly kind: "missing"; readonly sha256s: readonly string[] }
  /** The list says another size of this file than it has. */
  | { readonly kind: "otherSize"; readonly sha256: string; readonly sizeBytes: number };

/** What a sweep dropped. */
export interface SweptBundles {
  readonly bundles: number;
  readonly files: number;
}

/** Files that are being stored. One call at a time. */
export interface BundleUpload {
  /** Begins the next file. */
  begin(file: Pick<BundleFile, "sha256" | "sizeBytes">): Promise<void>;
  /** Appends to the file that was begun. */
  write(data: Uint8Array): Promise<void>;
  /** Keeps all files. A use of them. */
  commit(): Promise<void>;
  /** Leaves nothing of an upload that was not committed. No error after `commit`. */
  abort(): Promise<void>;
}
