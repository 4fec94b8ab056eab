import type { DeploymentSpec } from "../../gen/drover/v1/deployment_pb.ts";
import { fileOfRequirement } from "../core/bundle.ts";
import type { FieldViolation } from "../core/errors.ts";
import { lockfileKind } from "../core/lockfile.ts";
import { bundlePathProblem } from "../program/bundle-manifest.ts";

/** The most characters of a wrong path that an error shows. */
const pathShownMax = 200;

/** A path inside the bundle that a spec names. */
export interface NamedPath {
  /** Its field in the spec. */
  readonly field: string;
  /** As the spec has it. */
  readonly given: string;
  readonly path: string;
  readonly kind: "file" | "folder";
}

/** The paths that a spec with a bundle names in it. */
export function namedPaths({ program, runtimeEnv }: DeploymentSpec): readonly NamedPath[] {
  const kind = program?.kind;
  const { workingDir = "", lockfile = "" } = runtimeEnv ?? {};
  const one = (field: string, path: string, kind: NamedPath["kind"] = "file"): readonly NamedPath[] =>
    path === "" ? [] : [{ field, given: path, path, kind }];
  return [
    ...(kind?.case === "module" ? one("program.module.path", kind.value.path) : []),
    ...one("runtime_env.working_dir", workingDir, "folder"),
    ...packageFiles(runtimeEnv),
    ...one("runtime_env.lockfile", lockfile),
  ];
}

/**
 * What is wrong with a spec's paths inside its bundle, by themselves, and, without a bundle, with
 * the fields that need one. `root` is the spec's path in the request.
 */
export function bundleViolations(spec: DeploymentSpec, root: string): readonly FieldViolation[] {
  const { runtimeEnv } = spec;
  if (runtimeEnv === undefined) return [];
  const { bundle, lockfile } = runtimeEnv;
  if (bundle !== "") {
    return [...namedPaths(spec).flatMap((named) => pathViolations(named, root)), ...lockfileViolations(lockfile, root)];
  }
  const description = "names a file of the bundle, and the spec has none: set runtime_env.bundle";
  const needing = [...packageFiles(runtimeEnv), ...(lockfile === "" ? [] : [{ field: "runtime_env.lockfile", given: lockfile }])];
  return needing.map(({ field, given }) => ({ field: `${root}.${field}`, description: `${description} (got ${shown(given)})` }));
}

/** What is wrong with the image of a spec. `runsImages`: whether the engine runs images. */
export function imageViolations(image: string, field: string, runsImages: boolean): readonly FieldViolation[] {
  if (image === "") return [];
  if (!runsImages) {
    const why = "this controller's engine is the local one, which runs programs as processes of its machine, not as containers";
    const remedy = "leave it empty and name packages or a lockfile, or deploy to a controller whose engine runs images";
    return [{ field, description: `${why}: ${remedy} (got ${shown(image)})` }];
  }
  if (/^[\x21-\x7e]+$/.test(image)) return [];
  return [{ field, description: `must be printable ASCII without blanks, such as registry.example.com/model:3 (got ${shown(image)})` }];
}

/** A path as an error shows it. */
export const shown = (path: string): string => JSON.stringify(path.slice(0, pathShownMax));

function packageFiles(runtimeEnv: DeploymentSpec["runtimeEnv"]): readonly NamedPath[] {
  return (["npm", "pip"] as const).flatMap((list) =>
    (runtimeEnv?.[list] ?? []).flatMap((given, index) => {
      const path = fileOfRequirement(given);
      return path === undefined ? [] : [{ field: `runtime_env.${list}[${index}]`, given, path, kind: "file" as const }];
    }),
  );
}

function pathViolations({ field, given, path, kind }: NamedPath, root: string): readonly FieldViolation[] {
  const problem = bundlePathProblem(path);
  if (problem === undefined) return [];
  const example = kind === "file" ? "such as src/app.ts" : "such as src, or empty for the bundle's own folder";
  return [{ field: `${root}.${field}`, description: `is a path inside the bundle, ${example}: ${problem} (got ${shown(given)})` }];
}

function lockfileViolations(lockfile: string, root: string): readonly FieldViolation[] {
  if (lockfile === "" || lockfileKind(lockfile) !== undefined) return [];
  const description = "must be a package-lock.json, uv.lock, pylock.toml or requirements*.txt";
  return [{ field: `${root}.runtime_env.lockfile`, description: `${description} (got ${shown(lockfile)})` }];
}
