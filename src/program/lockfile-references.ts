import { posix } from "node:path";
import { lockfileKind } from "../core/lockfile.ts";
import { leadsOut } from "./bundle-manifest.ts";
import { npmReferences, withoutOutsideSdk } from "./npm-lockfile.ts";

/**
 * The folders and files that a uv.lock names, relative to its own folder, other than the project
 * itself, which is not installed.
 */
export function uvReferences(lockfile: string): readonly string[] {
  const sources = lockfile.matchAll(/\b(?:editable|virtual|directory|path|registry) = "([^"]*)"/g);
  return [...sources].map(([, place = ""]) => place).filter((place) => place !== "." && !place.includes("://"));
}

/** The files and folders that a pylock.toml names, relative to its own folder. */
export function pylockReferences(lockfile: string): readonly string[] {
  return [...lockfile.matchAll(/(?:^|[\s{,.])["']?path["']?\s*=\s*(?:["']([^"']*))?/g)].map(([, path = ""]) => path);
}

/** The requirements and options of a requirements file, without comments; a `\` at the end of a line joins it with the next. */
export function requirementLines(text: string): readonly string[] {
  return text
    .replace(/^\ufeff/, "")
    .replace(/\\\r?\n/g, " ")
    .split(/\r?\n|\r/)
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** The file that a line of a requirements file includes, relative to the file. Undefined: none. */
export function includedBy(line: string): string | undefined {
  const [, included] = /^(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?<=^-[rc]))(.+)$/.exec(line) ?? [];
  return included?.replace(/^(["'])(.*)\1$/, "$2");
}

/**
 * The file or folder that a line of a requirements file may name, relative to the folder where the
 * tool runs. A URL is none. Undefined: it names none.
 */
export function fileNamedBy(line: string): string | undefined {
  if (line.includes("\0") || line.includes("file:")) return "";
  const [requirement = ""] = line.split(/\s+(?:--hash|;)/);
  if (requirement.includes("://")) return undefined;
  const [, path] = /^(?:-e|--editable|-f|--find-links)\b[\s=]*(.*)$/.exec(requirement) ?? [];
  if (path !== undefined) return path;
  if (requirement.startsWith("-")) return undefined;
  return /^\.|[/\\]|\.(?:whl|zip|tar\.\w+|tgz)$/.test(requirement) ? requirement.replace(/^[\w.-]+(?:\[[^\]]*\])?\s*@\s*/, "") : undefined;
}

/**
 * What a lockfile at this path in a bundle names that is outside of the bundle, and so is not there.
 * Undefined: nothing. Only relative paths count, and not the SDK itself, which every replica has.
 */
export function referenceOutside(lockfile: string, text: string): string | undefined {
  const folder = posix.dirname(lockfile);
  switch (lockfileKind(lockfile)) {
    case "npm":
      return npmReferences(withoutOutsideSdk(lockfile, text)?.lockfile ?? text).find((path) => leadsOut(folder, path));
    case "uv":
      return uvReferences(text).find((path) => leadsOut(folder, path));
    case "pylock":
      return pylockReferences(text).find((path) => leadsOut(folder, path));
    default: {
      const lines = requirementLines(text);
      const included = lines.map(includedBy).find((path) => path !== undefined && leadsOut(folder, path));
      return (
        included ??
        lines
          .filter((line) => includedBy(line) === undefined)
          .map(fileNamedBy)
          .find((path) => path !== undefined && leadsOut("", path))
      );
    }
  }
}
