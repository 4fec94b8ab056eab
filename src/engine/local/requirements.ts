import { type BundleFile, fileOfRequirement } from "../../core/bundle.ts";
import type { Requirements } from "../../core/deployment.ts";
import { lockfileKind } from "../../core/lockfile.ts";
import { BuildError } from "./build-error.ts";
import { filesOfLockfile } from "./lockfile-files.ts";
import type { UnpackedBundle } from "./unpacked-bundles.ts";

/** The packages that a program needs, with the files of its bundle that name them. */
export interface ResolvedRequirements {
  readonly required: Requirements;
  /** Equal for requirements that install equal packages, on equal versions of Node and Python. */
  readonly identity: string;
  /** The files that the tools read. */
  readonly files: readonly BundleFile[];
  /** Where the files are. Undefined: there are none. */
  readonly folder?: string;
}

/** Whether packages are installed for a program. */
export const needsPackages = (required: Requirements): boolean => needsNpm(required) || needsPython(required);

/** Whether an environment has packages of Node. */
export function needsNpm({ npm, lockfile }: Requirements): boolean {
  return npm.length > 0 || (lockfile !== undefined && lockfileKind(lockfile) === "npm");
}

/** Whether an environment has packages of Python. */
export function needsPython({ pip, lockfile }: Requirements): boolean {
  return pip.length > 0 || (lockfile !== undefined && lockfileKind(lockfile) !== "npm");
}

/** Equal for the same requirements in any order. */
export function requirementsText(required: Requirements): string {
  const { npm, pip, bundle, lockfile } = required;
  const lists = [npm.toSorted(), pip.toSorted()];
  const named = bundle !== undefined && (lockfile !== undefined || filesOf(required).length > 0);
  return JSON.stringify(named ? [...lists, bundle, lockfile ?? null] : lists);
}

const filesOf = ({ npm, pip }: Requirements): readonly string[] =>
  [...npm, ...pip].flatMap((requirement) => fileOfRequirement(requirement) ?? []);

/**
 * Finds the files that the packages depend on. `bundle` is that of the requirements; undefined: they
 * have none. Fails with a `BuildError` if the bundle lacks a file that is named.
 */
export async function resolveRequirements(required: Requirements, bundle: UnpackedBundle | undefined): Promise<ResolvedRequirements> {
  const { npm, pip, lockfile } = required;
  const paths = filesOf(required);
  if (lockfile === undefined && paths.length === 0) return { required, identity: requirementsText(required), files: [] };
  if (bundle === undefined) throw missing(lockfile ?? paths[0]!, "there is no bundle");
  if (lockfile !== undefined && lockfileKind(lockfile) === undefined) throw missing(lockfile, "lockfiles of this name are not known");
  const byPath = new Map(bundle.files.map((file) => [file.path, file]));
  const absent = [...paths, ...(lockfile === undefined ? [] : [lockfile])].find((path) => !byPath.has(path));
  if (absent !== undefined) throw missing(absent, "the bundle has no such file");
  const locked = lockfile === undefined ? [] : await filesOfLockfile(lockfile, bundle);
  const files = locked === "all" ? bundle.files : [...new Set([...locked, ...paths])].sort().flatMap((path) => byPath.get(path) ?? []);
  const contents = locked === "all" ? required.bundle : files.map(({ path, sha256, executable }) => [path, sha256, executable]);
  const identity = JSON.stringify([npm.toSorted(), pip.toSorted(), lockfile ?? null, contents]);
  return { required, identity, files, folder: bundle.folder };
}

function missing(path: string, why: string): BuildError {
  return new BuildError({ kind: "system", why: `${path} could not be read: ${why}` });
}
