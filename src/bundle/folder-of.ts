import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** A folder with one of these is the folder of a program. */
const markers = ["package.json", "pyproject.toml", "requirements.txt"];

/** The nearest folder, this one or one above it, that is marked as a program's. Undefined: none. */
export function markedFolder(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (markers.some((name) => existsSync(join(at, name)))) return at;
    if (at === dirname(at)) return undefined;
  }
}
