import { readFile, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { lockfileKind } from "../../core/lockfile.ts";
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
      return npmRefersToFiles(await text(lockfile)) ? "all" : files;
    }
    case "uv":
      return uvRefersToFiles(await text(lockfile)) ? "all" : aside("pyproject.toml", "uv.toml");
    case "pylock":
      return pylockRefersToFiles(await text(lockfile)) ? "all" : [lockfile];
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

/** Whether a package-lock.json names folders or archives of the project. */
function npmRefersToFiles(lockfile: string): boolean {
  const { packages } = objectOf(lockfile);
  const ofProject = /"(?:resolved|version)"\s*:\s*"file:|"link"\s*:\s*true/.test(lockfile);
  const folders = typeof packages === "object" && packages !== null ? Object.keys(packages) : [];
  return ofProject || folders.some((folder) => folder !== "" && !folder.startsWith("node_modules/"));
}

/**
 * Whether a uv.lock has packages of the project's folders and files, other than the project itself,
 * which is not installed.
 */
function uvRefersToFiles(lockfile: string): boolean {
  const sources = lockfile.matchAll(/\b(?:editable|virtual|directory|path|registry) = "([^"]*)"/g);
  return [...sources].some(([, place = ""]) => place !== "." && !place.includes("://"));
}

/** Whether a pylock.toml has packages that are files or folders of the project. */
const pylockRefersToFiles = (lockfile: string): boolean => /(?:^|[\s{,.])["']?path["']?\s*=/.test(lockfile);

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
      const [, included] = /^(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?<=^-[rc]))(.+)$/.exec(line) ?? [];
      if (included === undefined) {
        if (refersToFile(line)) return "all";
        continue;
      }
      const file = posix.join(posix.dirname(path), included.replace(/^(["'])(.*)\1$/, "$2"));
      if (names.has(file) && !found.includes(file)) found.push(file);
      if (found.length > includesMax) return "all";
    }
  }
  return found;
}

/** The requirements and options, without comments; a `\` at the end of a line joins it with the next. */
function requirementLines(text: string): readonly string[] {
  return text
    .replace(/^\ufeff/, "")
    .replace(/\\\r?\n/g, " ")
    .split(/\r?\n|\r/)
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** Whether a line may name a file or a folder. A URL does not. */
function refersToFile(line: string): boolean {
  if (line.includes("\0") || line.includes("file:")) return true;
  const [requirement = ""] = line.split(/\s+(?:--hash|;)/);
  if (/^(?:-e|--editable)\b/.test(requirement)) return !requirement.includes("://");
  if (/^(?:-f|--find-links)\b/.test(requirement)) return !requirement.includes("://");
  if (requirement.startsWith("-")) return false;
  return !requirement.includes("://") && /^\.|[/\\]|\.(?:whl|zip|tar\.\w+|tgz)$/.test(requirement);
}

/** The JSON object of a text; empty for any other text, whose faults the tool reports. */
function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
