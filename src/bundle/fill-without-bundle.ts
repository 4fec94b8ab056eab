import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { create, toJsonString } from "@bufbuild/protobuf";
import { type DeploymentSpec, RuntimeEnvSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { programDigest } from "../program/program-digest.ts";

/** The largest file read for a digest. */
const fileBytesMax = 2 ** 30;

/**
 * Completes a spec whose files are on the controller's machine. A Python program opens files by paths
 * relative to its own folder.
 */
export function fillWithoutBundle(spec: DeploymentSpec, ownFiles: readonly string[] = []): void {
  const kind = spec.program?.kind;
  if (kind?.case === "module" && kind.value.path.endsWith(".py") && !spec.runtimeEnv?.workingDir)
    spec.runtimeEnv = Object.assign(spec.runtimeEnv ?? create(RuntimeEnvSchema), { workingDir: dirname(kind.value.path) });
  fillVersion(spec, ownFiles);
}

/**
 * Sets the version of a spec without one to a digest of its program's files and environment, so
 * that deploying it again does nothing until they change. `ownFiles` are the files that the program
 * itself named. A command that names no file keeps an empty version: its files are not known, so
 * each deploy is a new revision.
 */
function fillVersion(spec: DeploymentSpec, ownFiles: readonly string[] = []): void {
  const kind = spec.program?.kind;
  if (spec.version !== "" || kind?.case === undefined) return;
  const folder = spec.runtimeEnv?.workingDir ?? "";
  const paths = kind.case === "module" ? [kind.value.path] : kind.value.argv;
  const files = [...paths.map((path) => resolve(folder, path)), ...ownFiles];
  if (!files.some(isReadable)) return;
  const more = spec.runtimeEnv ? toJsonString(RuntimeEnvSchema, spec.runtimeEnv) : "";
  spec.version = programDigest(files, `${more}\0${kind.case === "command" ? kind.value.argv.join("\0") : ""}`, readBytes);
}

/** Whether it is a file, and not too large for a program. */
function isReadable(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isFile() && stats.size <= fileBytesMax;
  } catch {
    return false; // no file, no permission, or no path: an argument may be anything
  }
}

/** A file's bytes; undefined: it is not a file of a program. */
function readBytes(path: string): Buffer | undefined {
  try {
    return isReadable(path) ? readFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}
