import { hostname, userInfo } from "node:os";

/** Long enough for any name that a system gives out. */
const authorCharsMax = 128;

/** Who uses this process, as `user@host`. */
export function processAuthor(): string {
  return authorText(userName(), hostname());
}

/** As a header may carry it: printable ASCII, `?` for everything else. */
export function authorText(user: string, host: string): string {
  return `${user}@${host}`.replace(/[^!-~]/gu, "?").slice(0, authorCharsMax);
}

/** In a container there is often no user of the process's number. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? "unknown"}`;
  }
}
