import { execFile } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "..");

/** The folder `proto` of the npm package, packed and unpacked in a new folder in `folder`. */
export async function packedProtos(folder: string): Promise<string> {
  const at = await mkdtemp(join(folder, "packed-"));
  // Without scripts: built files do not matter.
  const argv = ["pack", "--ignore-scripts", "--silent", "--pack-destination", at];
  const { stdout } = await promisify(execFile)("npm", argv, { cwd: root });
  await promisify(execFile)("tar", ["-xzf", join(at, stdout.trim()), "-C", at, "package/proto"]);
  return join(at, "package/proto");
}
