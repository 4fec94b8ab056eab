import { existsSync, realpathSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { BundleError, inCommandLine } from "./bundle-error.ts";

/** A folder with one of these is the folder of a program. */
const markers = ["package.json", "pyproject.toml", "requirements.txt"];

/**
 * The folder that is sent with a program of the folder `own`: `given`; else the nearest folder, at or
 * above `own`, that is marked as a program's; else `own`. Fails with a `BundleError` if `given` is no
 * folder or does not hold `own`, and if the home folder, the root, or the system's folder of
 * temporary files would be sent.
 */
export function bundleFolder(own: string, given: string | undefined, names = inCommandLine): string {
  if (given !== undefined) {
    const folder = resolve(given);
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw new BundleError(`${names.bundle} ${given}: there is no such folder`);
    if (pathInside(folder, own) === undefined) throw new BundleError(`${names.bundle} ${given}: the program in ${own} is not in it`);
    return folder;
  }
  const folder = markedFolder(own) ?? own;
  if ([homedir(), "/", tmpdir()].some((other) => realPath(other) === realPath(folder))) {
    const remedy = `name the folder with ${names.bundle}, or make a package.json, pyproject.toml or requirements.txt in the program's own`;
    throw new BundleError(`${folder} would be sent, which has more than a program: ${remedy}`);
  }
  return folder;
}

function markedFolder(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (markers.some((name) => existsSync(join(at, name)))) return at;
    if (at === dirname(at)) return undefined;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * The path inside the folder, empty for the folder itself; links on the way to either do not matter.
 * Undefined: it leads out of it.
 */
export function pathInside(folder: string, path: string): string | undefined {
  return below(folder, path) ?? below(realPath(folder), realPath(path));
}

function below(folder: string, path: string): string | undefined {
  const inside = relative(folder, path);
  return inside === ".." || inside.startsWith("../") ? undefined : inside;
}
