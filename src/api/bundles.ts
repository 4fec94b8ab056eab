import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { BundleFile as BundleFileMessage, BundleFileSchema } from "../../gen/drover/v1/bundle_pb.ts";
import type {
  DownloadBundleRequest,
  DownloadBundleResponseSchema,
  FindMissingFilesRequest,
  UploadFilesRequest,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { type BundleBounds, type BundleFile, isSha256 } from "../core/bundle.ts";
import { type FieldViolation, invalid, refusal } from "../core/errors.ts";
import { bundleProblems } from "../program/bundle-manifest.ts";
import type { BundleUpload } from "../store/bundle-store.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";

/** What bundles are made of and read by. */
export function bundleHandlers(
  parts: ControllerParts,
): ControllerHandlers<"findMissingFiles" | "uploadFiles" | "createBundle" | "downloadBundle"> {
  const { bundles } = parts;
  return {
    findMissingFiles: async ({ sha256 }: FindMissingFilesRequest) => ({ sha256: [...(await bundles.missingFiles(sha256))] }),
    uploadFiles: async (pieces) => {
      const upload = await bundles.openUpload();
      try {
        const received = await receive(pieces, upload, bundles.bounds);
        await upload.commit();
        return { files: received.files, bytes: BigInt(received.bytes) };
      } finally {
        await upload.abort();
      }
    },
    createBundle: async (request) => {
      const files = request.files.map(fileFromMessage);
      const problems = bundleProblems(files, bundles.bounds);
      if (problems.length > 0)
        throw invalid(problems.map(({ index, field, description }) => ({ field: `files[${index}].${field}`, description })));
      const made = await bundles.createBundle(files);
      if (made.kind === "created") return { bundle: made.digest };
      const first = made.sha256s[0] ?? "";
      const path = files.find(({ sha256 }) => sha256 === first)?.path;
      throw refusal(
        "FILES_MISSING",
        `${made.sha256s.length} files were not uploaded, such as ${path}: upload what FindMissingFiles returns`,
      );
    },
    downloadBundle: (request, { signal }) => download(parts, request, signal),
  };
}

/** Digests that are none. */
export function missingFilesViolations({ sha256 }: FindMissingFilesRequest): readonly FieldViolation[] {
  const index = sha256.findIndex((text) => !isSha256(text));
  if (index < 0) return [];
  const got = JSON.stringify(sha256[index]?.slice(0, 80));
  return [{ field: `sha256[${index}]`, description: `must be 64 lower-case hexadecimal digits (got ${got})` }];
}

async function receive(
  pieces: AsyncIterable<UploadFilesRequest>,
  upload: BundleUpload,
  { fileBytesMax }: BundleBounds,
): Promise<{ readonly files: number; readonly bytes: number }> {
  let files = 0;
  let bytes = 0;
  let hash = createHash("sha256");
  let current = { sha256: "", sizeBytes: 0 };
  let received = 0;
  const finish = () => {
    if (current.sha256 === "") return;
    const digest = hash.digest("hex");
    if (received === current.sizeBytes && digest === current.sha256) return;
    throw refusal(
      "DIGEST_MISMATCH",
      `a file was said to have ${current.sizeBytes} bytes and the SHA-256 ${current.sha256}, and has ${received} and ${digest}`,
    );
  };
  for await (const { sha256, size, data } of pieces) {
    if (sha256 !== "") {
      finish();
      if (!isSha256(sha256)) throw invalid([{ field: "sha256", description: "must be 64 lower-case hexadecimal digits" }]);
      if (size < 0n || size > BigInt(fileBytesMax))
        throw invalid([{ field: "size", description: `must be 0 to ${fileBytesMax} bytes (got ${size})` }]);
      current = { sha256, sizeBytes: Number(size) };
      hash = createHash("sha256");
      received = 0;
      files += 1;
      await upload.begin(current);
    } else if (current.sha256 === "") {
      throw invalid([{ field: "sha256", description: "must be set in the first piece of a file" }]);
    }
    received += data.length;
    bytes += data.length;
    if (received > current.sizeBytes) finish();
    hash.update(data);
    if (data.length > 0) await upload.write(data);
  }
  finish();
  return { files, bytes };
}

async function* download(
  { bundles }: ControllerParts,
  { bundle, path, listOnly }: DownloadBundleRequest,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof DownloadBundleResponseSchema>> {
  const files = await bundles.bundle(bundle);
  if (files === undefined) throw refusal("BUNDLE_NOT_FOUND", `there is no bundle ${bundle}`);
  const wanted = path === "" ? files : files.filter((file) => file.path === path);
  if (wanted.length === 0) throw refusal("FILE_NOT_FOUND", `the bundle ${bundle} has no file ${JSON.stringify(path)}`);
  for (const file of wanted) {
    yield { part: { case: "file", value: fileToMessage(file) } };
    if (listOnly) continue;
    for await (const data of bundles.readFile(file.sha256, signal)) yield { part: { case: "data", value: data } };
  }
}

function fileFromMessage({ path, executable, size, sha256 }: BundleFileMessage): BundleFile {
  return { path, executable, sizeBytes: Number(size), sha256 };
}

function fileToMessage({ path, executable, sizeBytes, sha256 }: BundleFile): MessageInitShape<typeof BundleFileSchema> {
  return { path, executable, size: BigInt(sizeBytes), sha256 };
}
