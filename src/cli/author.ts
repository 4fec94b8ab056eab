import { hostname, userInfo } from "node:os";

/** Long enough for the names of any system. */
const authorCharsMax = 128;

/** The user of this process, as `user@host`. */
export function processAuthor(): string {
  return authorText(userName(), hostname());
}

/** In the form of a header's value: printable ASCII, `?` for everything else. */
export function authorText(user: string, host: string): string {
  return `${user}@${host}`.replace(/[^!-~]/gu, "?").slice(0, authorCharsMax);
}

/** The name of the process's user. In a container its id often has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? "unknown"}`;
  }
}
