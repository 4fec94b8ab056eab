import { createHash } from "node:crypto";
import type { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { type BundleBounds, type BundleFile, digestOf } from "../../src/core/bundle.ts";
import { refusal } from "../../src/core/errors.ts";
import { bundleDigest } from "../../src/program/bundle-manifest.ts";
import type { ServiceHandlers } from "../../src/rpc/service.ts";

type Handlers = Pick<ServiceHandlers<typeof ControllerService>, "getCluster" | "findMissingFiles" | "uploadFiles" | "createBundle">;

const standard: BundleBounds = { filesMax: 10_000, fileBytesMax: 2 ** 30, bundleBytesMax: 2 ** 31 };

/** What a controller has of bundles, in memory, and what was asked of it. */
export class BundleService {
  /** The contents, by SHA-256. */
  readonly contents = new Map<string, Buffer>();
  /** The files of each bundle, by its digest, in the order of the request. */
  readonly bundles = new Map<string, readonly BundleFile[]>();
  /** The SHA-256s of the files of each upload that was whole. */
  readonly uploads: (readonly string[])[] = [];
  readonly handlers: Handlers;

  constructor(bounds: Partial<BundleBounds> = {}) {
    const { filesMax, fileBytesMax, bundleBytesMax } = { ...standard, ...bounds };
    const bundleBounds = { maxFiles: filesMax, maxFileBytes: BigInt(fileBytesMax), maxBundleBytes: BigInt(bundleBytesMax) };
    this.handlers = {
      getCluster: () => ({ bundleBounds }),
      findMissingFiles: ({ sha256 }) => ({ sha256: sha256.filter((one) => !this.contents.has(one)) }),
      uploadFiles: (pieces) => this.#receive(pieces),
      createBundle: ({ files: given }) => {
        const files = given.map(({ path, executable, size, sha256 }) => ({ path, executable, sizeBytes: Number(size), sha256 }));
        const missing = files.filter(({ sha256 }) => !this.contents.has(sha256));
        if (missing.length > 0) throw refusal("FILES_MISSING", `${missing[0]?.path} was not uploaded`);
        const digest = bundleDigest(files);
        this.bundles.set(digest, files);
        return { bundle: digest };
      },
    };
  }

  /** The text of each file of a bundle, by its path; an executable one's path has `*` at its end. */
  filesOf(digest: string): Readonly<Record<string, string>> {
    const files = this.bundles.get(digest) ?? [];
    return Object.fromEntries(
      files.map(({ path, executable, sha256 }) => [`${path}${executable ? "*" : ""}`, String(this.contents.get(sha256))]),
    );
  }

  async #receive(pieces: Parameters<Handlers["uploadFiles"]>[0]) {
    const files = new Map<string, { readonly size: number; readonly data: Uint8Array[] }>();
    let data: Uint8Array[] = [];
    for await (const piece of pieces) {
      if (piece.sha256 !== "") {
        data = [];
        files.set(piece.sha256, { size: Number(piece.size), data });
      }
      data.push(piece.data);
    }
    for (const [sha256, { size, data: parts }] of files) {
      const content = Buffer.concat(parts);
      const digest = createHash("sha256").update(content).digest("hex");
      if (digest !== sha256 || content.length !== size) throw refusal("DIGEST_MISMATCH", `${digestOf(sha256)} is another file`);
    }
    for (const [sha256, { data: parts }] of files) this.contents.set(sha256, Buffer.concat(parts));
    this.uploads.push([...files.keys()]);
    return { files: files.size, bytes: 0n };
  }
}
