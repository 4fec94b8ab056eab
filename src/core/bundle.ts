/** A file of a bundle, as the proto's `BundleFile` says. */
export interface BundleFile {
  /** Inside the bundle, with `/`. */
  readonly path: string;
  readonly executable: boolean;
  readonly sizeBytes: number;
  /** The SHA-256 of its content: 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** The bytes of all files together. */
export const bytesOf = (files: readonly Pick<BundleFile, "sizeBytes">[]): number =>
  files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

/** What a bundle may hold. */
export interface BundleBounds {
  readonly filesMax: number;
  readonly fileBytesMax: number;
  /** Of all files together. */
  readonly bundleBytesMax: number;
}

/** Where bundles are read: by engines, and by the API. */
export interface BundleReader {
  /**
   * The files of a bundle, in the order of the bytes of their paths. Undefined: it is not kept, or was
   * broken and is dropped.
   */
  bundle(digest: string): Promise<readonly BundleFile[] | undefined>;
  /**
   * The content of a file of a bundle. Fails if it is not kept, and at the end if it is not what its
   * SHA-256 says. It is then dropped, so that an upload mends it.
   */
  readFile(sha256: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** What an entry of a list of packages begins with that is a file of the bundle. */
const filePrefix = "./";
/**
 * The file of the bundle that an entry of a list of packages is, by its path. Undefined: it is the
 * name of a package.
 */
export const fileOfRequirement = (requirement: string): string | undefined =>
  requirement.startsWith(filePrefix) ? requirement.slice(filePrefix.length) : undefined;

const digestPrefix = "sha256:";
/** The digest of a bundle, without what says that it is a SHA-256. */
export const hexOf = (digest: string): string => digest.slice(digestPrefix.length);
/** The digest of a bundle whose list of files has this SHA-256. */
export const digestOf = (hex: string): string => `${digestPrefix}${hex}`;

/** A SHA-256 as it is written everywhere. */
export const isSha256 = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);
