import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { toJsonString } from "@bufbuild/protobuf";
import { type DeploymentSpec, RuntimeEnvSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { programDigest } from "../program/program-digest.ts";

/** The largest file read for a digest. */
const fileBytesMax = 2 ** 30;

/**
 * Gives a spec without a version one that changes with its program's files and environment, so that deploying it again does nothing
 * until they change. `ownFiles` are the program's, where it was asked for them. A command that names no file stays without one: what it
 * runs is not known, so each deploy is a new revision.
 */
export function fillVersion(spec: DeploymentSpec, ownFiles: readonly string[] = []): void {
  const kind = spec.program?.kind;
  if (spec.version !== "" || kind?.case === undefined) return;
  const folder = spec.runtimeEnv?.workingDir ?? "";
  const paths = kind.case === "module" ? [kind.value.path] : kind.value.argv;
  const files = [...paths.map((path) => resolve(folder, path)), ...ownFiles];
  if (!files.some(isReadable)) return;
  const more = spec.runtimeEnv ? toJsonString(RuntimeEnvSchema, spec.runtimeEnv) : "";
  spec.version = programDigest(files, `${more}\0${kind.case === "command" ? kind.value.argv.join("\0") : ""}`, readBytes);
}

/** Whether it is a file that is not too large to be a program. */
function isReadable(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isFile() && stats.size <= fileBytesMax;
  } catch {
    return false; // none there, or not for us, or no path at all: an argument may be anything
  }
}

/** A file's bytes; undefined for what is none of a program's. */
function readBytes(path: string): Buffer | undefined {
  try {
    return isReadable(path) ? readFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}
