import type { MessageInitShape } from "@bufbuild/protobuf";
import type { BundleFile as BundleFileMessage, BundleFileSchema } from "../../gen/drover/v1/bundle_pb.ts";
import type {
  CreateBundleRequest,
  DownloadBundleRequest,
  DownloadBundleResponseSchema,
  FindMissingFilesRequest,
  UploadFilesRequest,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { type BundleBounds, type BundleFile, isSha256 } from "../core/bundle.ts";
import { type FieldViolation, invalid, refusal, type StatusError } from "../core/errors.ts";
import { bundleProblems } from "../program/bundle-manifest.ts";
import type { CallContext } from "../rpc/service.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { noBundle } from "./kept-bundles.ts";
import { leastBytes, quietMs, whileHeard, whileTaken } from "./patience.ts";
import { type ReceivedFiles, receiveFiles, weightOf } from "./receive-files.ts";
import { UploadTurns } from "./upload-turns.ts";

/** What bundles are made of and read by. */
export function bundleHandlers(
  parts: ControllerParts,
): ControllerHandlers<"findMissingFiles" | "uploadFiles" | "createBundle" | "downloadBundle"> {
  const turns = new UploadTurns();
  return {
    findMissingFiles: async ({ sha256 }: FindMissingFilesRequest) => ({ sha256: [...(await parts.bundles.missingFiles(sha256))] }),
    uploadFiles: async (pieces, context) => {
      const endTurn = await turns.take(context.signal);
      try {
        const { files, bytes } = await upload(parts, pieces, context);
        return { files, bytes: BigInt(bytes) };
      } finally {
        endTurn();
      }
    },
    createBundle: async (request) => ({ bundle: await createBundle(parts, request) }),
    downloadBundle: (request, context) => {
      const onQuiet = () => context.abort(quiet("took"));
      return whileTaken(download(parts, request, context.signal), bytesOf, parts.clock, onQuiet);
    },
  };
}

/** Digests that are none. */
export function missingFilesViolations({ sha256 }: FindMissingFilesRequest): readonly FieldViolation[] {
  const index = sha256.findIndex((text) => !isSha256(text));
  if (index < 0) return [];
  const got = JSON.stringify(sha256[index]?.slice(0, 80));
  return [{ field: `sha256[${index}]`, description: `must be 64 lower-case hexadecimal digits (got ${got})` }];
}

/** Files of which no bundle is made here. */
export function createBundleViolations({ files }: CreateBundleRequest, bounds: BundleBounds): readonly FieldViolation[] {
  const { filesMax } = bounds;
  if (files.length > filesMax) return [{ field: "files", description: `must be at most ${filesMax} files (got ${files.length})` }];
  return bundleProblems(files.map(fileFromMessage), bounds).map(({ index, field, description }) => ({
    field: `files[${index}].${field}`,
    description,
  }));
}

async function upload(
  { bundles, clock }: ControllerParts,
  pieces: AsyncIterable<UploadFilesRequest>,
  context: CallContext,
): Promise<ReceivedFiles> {
  const onQuiet = () => context.abort(quiet("sent"));
  const staged = await bundles.openUpload();
  try {
    const received = await receiveFiles(whileHeard(pieces, weightOf, clock, onQuiet), staged, bundles.bounds);
    await staged.commit();
    return received;
  } finally {
    await staged.abort();
  }
}

async function createBundle({ bundles }: ControllerParts, request: CreateBundleRequest): Promise<string> {
  const files = request.files.map(fileFromMessage);
  const made = await bundles.createBundle(files);
  if (made.kind === "created") return made.digest;
  if (made.kind === "otherSize") {
    const index = files.findIndex(({ sha256, sizeBytes }) => sha256 === made.sha256 && sizeBytes !== made.sizeBytes);
    const description = `must be ${made.sizeBytes}, as the file of this sha256 has (got ${files[index]?.sizeBytes})`;
    throw invalid([{ field: `files[${index}].size`, description }]);
  }
  const [first = ""] = made.sha256s;
  const path = files.find(({ sha256 }) => sha256 === first)?.path;
  throw refusal(
    "FILES_MISSING",
    `${made.sha256s.length} of the files are not there, such as ${path}: send those that FindMissingFiles returns`,
    { metadata: { sha256: first } },
  );
}

async function* download(
  { bundles }: ControllerParts,
  { bundle, path, listOnly }: DownloadBundleRequest,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof DownloadBundleResponseSchema>> {
  // A use of the bundle: it is kept while it is read.
  const files = (await bundles.useBundle(bundle)) ? await bundles.bundle(bundle) : undefined;
  if (files === undefined) throw noBundle(bundle);
  const wanted = path === "" ? files : files.filter((file) => file.path === path);
  if (wanted.length === 0) throw refusal("FILE_NOT_FOUND", `the bundle ${bundle} has no file ${JSON.stringify(path)}`);
  for (const file of wanted) {
    yield { part: { case: "file", value: fileToMessage(file) } };
    if (listOnly) continue;
    for await (const data of bundles.readFile(file.sha256, signal)) yield { part: { case: "data", value: data } };
  }
}

function bytesOf({ part }: MessageInitShape<typeof DownloadBundleResponseSchema>): number {
  return part?.case === "data" ? part.value.length : listedWeight;
}
/** What a file counts as that is listed, in bytes. */
const listedWeight = 100;

/** The error for a caller that was waited for too long. */
function quiet(did: "sent" | "took"): StatusError {
  return refusal("DEADLINE", `the caller ${did} less than ${leastBytes} bytes in ${quietMs / 1_000} s, and was cut off: begin again`);
}

function fileFromMessage({ path, executable, size, sha256 }: BundleFileMessage): BundleFile {
  return { path, executable, sizeBytes: Number(size), sha256 };
}

function fileToMessage({ path, executable, sizeBytes, sha256 }: BundleFile): MessageInitShape<typeof BundleFileSchema> {
  return { path, executable, size: BigInt(sizeBytes), sha256 };
}
