import { readFile, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { lockfileKind } from "../../core/lockfile.ts";
import { fileNamedBy, includedBy, pylockReferences, requirementLines, uvReferences } from "../../program/lockfile-references.ts";
import { npmReferences, objectOf, withoutOutsideSdk } from "../../program/npm-lockfile.ts";
import type { UnpackedBundle } from "./unpacked-bundles.ts";

/** How many files a requirements file may name, with those that they name in turn. */
const includesMax = 100;
/** A file that is longer is not read here, only by its tool. */
const textBytesMax = 16 * 1024 * 1024;

/**
 * The files of the bundle that decide what a lockfile installs, by their paths; `all`: it refers to
 * other files of the bundle, such as packages of the same repository.
 */
export async function filesOfLockfile(lockfile: string, bundle: UnpackedBundle): Promise<readonly string[] | "all"> {
  const names = new Set(bundle.files.map(({ path }) => path));
  const text = (path: string): Promise<string> => readLockfile(join(bundle.folder, path));
  const aside = (...others: string[]): string[] => {
    const folder = posix.dirname(lockfile);
    return [lockfile, ...others.map((name) => posix.join(folder, name)).filter((path) => names.has(path))];
  };
  switch (lockfileKind(lockfile)) {
    case "npm": {
      const files = aside("package.json", ".npmrc");
      const manifest = files.find((path) => posix.basename(path) === "package.json");
      if (manifest !== undefined && hasInstallScripts(await text(manifest))) return "all";
      const locked = await text(lockfile);
      return npmReferences(withoutOutsideSdk(lockfile, locked)?.lockfile ?? locked).length > 0 ? "all" : files;
    }
    case "uv":
      return uvReferences(await text(lockfile)).length > 0 ? "all" : aside("pyproject.toml", "uv.toml");
    case "pylock":
      return pylockReferences(await text(lockfile)).length > 0 ? "all" : [lockfile];
    default:
      return includedFiles(lockfile, names, text);
  }
}

/** The text of a lockfile, or of a file that belongs to it; empty where it is too long. */
export async function readLockfile(path: string): Promise<string> {
  return (await stat(path)).size > textBytesMax ? "" : readFile(path, "utf8");
}

/** The scripts of a project that `npm ci` runs and that may change its packages. */
const installScripts = ["preinstall", "install", "postinstall"];

function hasInstallScripts(manifest: string): boolean {
  const { scripts } = objectOf(manifest);
  return typeof scripts === "object" && scripts !== null && installScripts.some((name) => name in scripts);
}

/**
 * The requirements file and those that it includes by `-r` and `-c`; `all` where one of them refers
 * to other files of the bundle.
 */
async function includedFiles(
  lockfile: string,
  names: ReadonlySet<string>,
  text: (path: string) => Promise<string>,
): Promise<readonly string[] | "all"> {
  const found = [lockfile];
  for (let next = 0; next < found.length; next++) {
    const path = found[next]!;
    for (const line of requirementLines(await text(path))) {
      const included = includedBy(line);
      if (included === undefined) {
        if (fileNamedBy(line) !== undefined) return "all";
        continue;
      }
      const file = posix.join(posix.dirname(path), included);
      if (names.has(file) && !found.includes(file)) found.push(file);
      if (found.length > includesMax) return "all";
    }
  }
  return found;
}
