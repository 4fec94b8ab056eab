import { createHash } from "node:crypto";
import { type BundleFile, type BundleReader, hexOf } from "../../../src/core/bundle.ts";
import { bundleDigest } from "../../../src/program/bundle-manifest.ts";
import { wholeContent } from "../../../src/store/whole-content.ts";

const sha256Of = (content: Uint8Array) => createHash("sha256").update(content).digest("hex");

/** Bundles that are kept in memory. A path that ends with `*` is that of an executable file. */
export class KeptBundles implements BundleReader {
  readonly contents = new Map<string, Buffer>();
  readonly bundles = new Map<string, readonly BundleFile[]>();
  /** How often each file was read. */
  readonly reads = new Map<string, number>();
  /** Called before each piece of a file. */
  beforePiece: (sha256: string) => Promise<void> = async () => {};

  /** Keeps a bundle, and returns its digest. */
  keep(contents: Readonly<Record<string, string | Buffer>>): string {
    const files = Object.entries(contents).map(([name, text]): BundleFile => {
      const content = Buffer.from(text);
      const sha256 = sha256Of(content);
      this.contents.set(sha256, content);
      return { path: name.replace(/\*$/, ""), executable: name.endsWith("*"), sizeBytes: content.length, sha256 };
    });
    const digest = bundleDigest(files);
    this.bundles.set(digest, files);
    return digest;
  }

  async bundle(digest: string): Promise<readonly BundleFile[] | undefined> {
    return this.bundles.get(digest);
  }

  readFile(sha256: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return wholeContent(sha256, this.#pieces(sha256, signal), () => void this.contents.delete(sha256));
  }

  async *#pieces(sha256: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    this.reads.set(sha256, (this.reads.get(sha256) ?? 0) + 1);
    const content = this.contents.get(sha256);
    if (content === undefined) throw new Error(`file ${sha256} is not kept`);
    for (const piece of [content.subarray(0, 1), content.subarray(1)]) {
      await this.beforePiece(sha256);
      signal.throwIfAborted();
      if (piece.length > 0) yield piece;
    }
  }
}

/** The name of a bundle's folder. */
export const nameOf = hexOf;
