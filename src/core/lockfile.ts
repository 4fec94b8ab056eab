/** A file that names exact packages, by the tool that reads it. */
export type LockfileKind = "npm" | "uv" | "pylock" | "requirements";

/** The kind of the lockfile at a path, by its name. Undefined: it is no lockfile. */
export function lockfileKind(path: string): LockfileKind | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (name === "package-lock.json") return "npm";
  if (name === "uv.lock") return "uv";
  if (name === "pylock.toml") return "pylock";
  return /^requirements.*\.txt$/s.test(name) ? "requirements" : undefined;
}
