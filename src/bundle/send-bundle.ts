import type { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { type BundleBounds, bytesOf } from "../core/bundle.ts";
import { StatusError } from "../core/errors.ts";
import { retryLost } from "../rpc/retry-lost.ts";
import type { CallOptions, Client } from "../rpc/service.ts";
import { BundleError, FileChangedError, inCommandLine, leaveOut, type OptionNames } from "./bundle-error.ts";
import { type DigestedFile, FileDigests } from "./file-digests.ts";
import { type FoundFolder, findFiles } from "./find-files.ts";
import { piecesOf } from "./pieces.ts";

/**
 * What one call sends at most, so that a lost connection costs no more. A larger file is alone in its
 * call.
 */
const callBytesMax = 64 * 1_024 * 1_024;
const callFilesMax = 1_000;
/** Digests that one `FindMissingFiles` asks for. */
const askedMax = 10_000;
/** How often all is read, where files change or the controller has dropped some. */
const triesMax = 3;

/** What happens while a bundle is sent. */
export interface BundleEvents {
  /** The files that the controller does not have are about to be sent; perhaps none. */
  onBegin(missing: readonly DigestedFile[], all: readonly DigestedFile[]): void;
  /** Bytes of the files that have been sent so far. */
  onProgress(sentBytes: number): void;
}

/** Where and how a bundle is sent. */
export interface SendOptions {
  readonly controller: Client<typeof ControllerService>;
  /** Of the calls that are answered at once; with the signal that ends all. */
  readonly call: () => CallOptions & { readonly signal: AbortSignal };
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly events: BundleEvents;
  /** Digests of an earlier bundle of the same files. Default: none. */
  readonly digests?: FileDigests;
  /** Absolute paths of files that are left out. Default: none. */
  readonly without?: ReadonlySet<string>;
  /** Default: those of the command line. */
  readonly names?: OptionNames;
}

/** The files of a folder, as they would be sent. */
export interface ReadBundle {
  readonly folder: string;
  readonly files: readonly DigestedFile[];
  /** The folders that have them. */
  readonly folders: readonly FoundFolder[];
}

/** A bundle that the controller has. */
export interface SentBundle extends ReadBundle {
  readonly digest: string;
}

/** Reads the files of a folder. Fails with a `BundleError`. */
export async function readBundle(folder: string, options: Omit<SendOptions, "events">): Promise<ReadBundle> {
  return whileFilesChange(async () => {
    const { signal } = options.call();
    const { files, folders } = await findFiles(folder, await boundsOf(options), signal, options.without);
    return { folder, folders, files: await (options.digests ?? new FileDigests()).digest(files, signal) };
  });
}

/** Those of the files that the controller does not have, each content once. */
export async function missingOf(
  { files }: ReadBundle,
  { controller, call }: Omit<SendOptions, "events">,
): Promise<readonly DigestedFile[]> {
  const byDigest = new Map(files.map((file) => [file.sha256, file]));
  const asked = [...byDigest.keys()];
  const missing: DigestedFile[] = [];
  for (let at = 0; at < asked.length; at += askedMax) {
    const { sha256 } = await controller.findMissingFiles({ sha256: asked.slice(at, at + askedMax) }, call());
    missing.push(...sha256.flatMap((digest) => byDigest.get(digest) ?? []));
  }
  return missing;
}

/**
 * Makes a bundle of the files of a folder, and sends what the controller lacks. Fails with a
 * `BundleError`, or with the `StatusError` of the API.
 */
export async function sendBundle(folder: string, options: SendOptions): Promise<SentBundle> {
  const digests = options.digests ?? new FileDigests();
  return whileFilesChange(async () => {
    const read = await readBundle(folder, { ...options, digests });
    await upload(await missingOf(read, options), read, options);
    const files = read.files.map(({ path, executable, sizeBytes, sha256 }) => ({ path, executable, size: BigInt(sizeBytes), sha256 }));
    const { bundle } = await options.controller.createBundle({ files }, options.call());
    return { ...read, digest: bundle };
  });
}

/** Tries again while files change, or while the controller no longer has some. */
async function whileFilesChange<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const isGone = error instanceof StatusError && error.reason === "FILES_MISSING";
      if (error instanceof FileChangedError && tries === triesMax)
        throw new BundleError(`${error.path} changes while it is read; ${leaveOut}`);
      if (tries === triesMax || !(isGone || error instanceof FileChangedError)) throw error;
    }
  }
}

async function boundsOf({ controller, call, names = inCommandLine }: Omit<SendOptions, "events">): Promise<BundleBounds> {
  const { bundleBounds: bounds } = await controller.getCluster({}, call());
  if (bounds === undefined) {
    const remedy = `update it, or use the paths of its machine with ${names.noBundle}`;
    throw new BundleError(`the controller is of a version that keeps no files of programs: ${remedy}`);
  }
  return { filesMax: bounds.maxFiles, fileBytesMax: Number(bounds.maxFileBytes), bundleBytesMax: Number(bounds.maxBundleBytes) };
}

async function upload(missing: readonly DigestedFile[], { files }: ReadBundle, options: SendOptions): Promise<void> {
  options.events.onBegin(missing, files);
  let sent = 0;
  for (const batch of batchesOf(missing)) {
    await uploadBatch(batch, sent, options);
    sent += bytesOf(batch);
  }
}

async function uploadBatch(
  batch: readonly DigestedFile[],
  before: number,
  { controller, call, sleep, events }: SendOptions,
): Promise<void> {
  const { deadlineMs: _, ...options } = call(); // a slow connection takes its time
  const once = () => {
    let sent = before;
    const pieces = piecesOf(batch, (bytes) => {
      sent += bytes;
      events.onProgress(sent);
    });
    return controller.uploadFiles(pieces, options);
  };
  await retryLost(once, sleep, options.signal);
}

function* batchesOf(files: readonly DigestedFile[]): Generator<readonly DigestedFile[]> {
  let batch: DigestedFile[] = [];
  let bytes = 0;
  for (const file of files) {
    if (batch.length > 0 && (batch.length === callFilesMax || bytes + file.sizeBytes > callBytesMax)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(file);
    bytes += file.sizeBytes;
  }
  if (batch.length > 0) yield batch;
}
