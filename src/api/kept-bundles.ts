import type { DeploymentSpec } from "../../gen/drover/v1/deployment_pb.ts";
import type { BundleFile, BundleReader } from "../core/bundle.ts";
import { type FieldViolation, invalid, refusal, type StatusError } from "../core/errors.ts";
import { referenceOutside } from "../program/lockfile-references.ts";
import { violationsMax } from "../rpc/validate.ts";
import { type NamedPath, namedPaths, shown } from "./bundle-violations.ts";
import type { ControllerParts } from "./controller-parts.ts";

/** A lockfile that is longer is left to its tool. */
const lockfileBytesMax = 16 * 1_024 * 1_024;

/** A spec of a request, with its path in it. */
export interface RequestedSpec {
  readonly spec: DeploymentSpec;
  readonly root: string;
}

/**
 * Checks that the bundles of specs are kept, which is a use of them, and that they have the files
 * that the specs name. Fails with BUNDLE_NOT_FOUND and INVALID_FIELD. `needed`: false for a request
 * that writes nothing, whose bundles may be sent later.
 */
export async function checkBundles(
  { bundles }: Pick<ControllerParts, "bundles">,
  requested: readonly RequestedSpec[],
  needed: boolean,
): Promise<void> {
  const found: FieldViolation[] = [];
  // One bundle after the other: each may be a list of 10,000 files.
  for (const [digest, specs] of Map.groupBy(requested, ({ spec }) => spec.runtimeEnv?.bundle ?? "")) {
    if (digest === "") continue;
    const files = !needed || (await bundles.useBundle(digest)) ? await bundles.bundle(digest) : undefined;
    if (files === undefined && needed) throw notKept(digest, specs);
    if (files === undefined) continue;
    const contents = new Contents(files);
    for (const { spec, root } of specs) found.push(...violationsIn(contents, namedPaths(spec), root));
    if (found.length === 0) found.push(...(await lockfileViolations(bundles, contents, specs)));
    if (found.length >= violationsMax) break;
  }
  if (found.length > 0) throw invalid(found);
}

/** The refusal of a digest that no bundle has. */
export function noBundle(digest: string, violations: readonly FieldViolation[] = []): StatusError {
  const text = `there is no bundle ${digest}: it was never made here, or no revision needs it any more`;
  return refusal("BUNDLE_NOT_FOUND", text, { ...(violations.length > 0 && { violations }), metadata: { bundle: digest } });
}

function notKept(digest: string, specs: readonly RequestedSpec[]): StatusError {
  const description = `there is no such bundle: send the program's files, as drover deploy does (got ${digest})`;
  return noBundle(
    digest,
    specs.slice(0, violationsMax).map(({ root }) => ({ field: `${root}.runtime_env.bundle`, description })),
  );
}

function violationsIn(contents: Contents, paths: readonly NamedPath[], root: string): readonly FieldViolation[] {
  return paths.flatMap(({ field, given, path, kind }) =>
    contents.has(path, kind) ? [] : [{ field: `${root}.${field}`, description: `must be a ${kind} of the bundle (got ${shown(given)})` }],
  );
}

/** Lockfiles that name what is outside of the bundle: no tool could install it. */
async function lockfileViolations(
  bundles: BundleReader,
  contents: Contents,
  specs: readonly RequestedSpec[],
): Promise<readonly FieldViolation[]> {
  const found: FieldViolation[] = [];
  for (const [lockfile, naming] of Map.groupBy(specs, ({ spec }) => spec.runtimeEnv?.lockfile ?? "")) {
    const file = contents.file(lockfile);
    if (file === undefined || file.sizeBytes > lockfileBytesMax) continue;
    const outside = referenceOutside(lockfile, await textOf(bundles, file));
    if (outside === undefined) continue;
    const description =
      `names ${shown(outside)}, which is outside of the bundle: ` +
      `move it into the folder that is sent, or send a folder that has both (got ${shown(lockfile)})`;
    found.push(...naming.map(({ root }) => ({ field: `${root}.runtime_env.lockfile`, description })));
  }
  return found;
}

/** The text of a file; empty where it cannot be read, of which unpacking says more. */
async function textOf(bundles: BundleReader, { sha256 }: BundleFile): Promise<string> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of bundles.readFile(sha256, new AbortController().signal)) pieces.push(piece);
  } catch {
    return "";
  }
  return Buffer.concat(pieces).toString();
}

/** The files of a bundle, by their paths. */
class Contents {
  readonly #files: ReadonlyMap<string, BundleFile>;

  constructor(files: readonly BundleFile[]) {
    this.#files = new Map(files.map((file) => [file.path, file]));
  }

  file(path: string): BundleFile | undefined {
    return this.#files.get(path);
  }

  has(path: string, kind: NamedPath["kind"]): boolean {
    if (kind === "file") return this.#files.has(path);
    for (const file of this.#files.keys()) if (file.startsWith(`${path}/`)) return true;
    return false;
  }
}
