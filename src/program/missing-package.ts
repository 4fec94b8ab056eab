/**
 * Whether an import failed because a package was not found. Node gives the error a `url` where a
 * file was not found.
 */
export function isMissingPackage(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND" && !("url" in cause);
}
