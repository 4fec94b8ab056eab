import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

const digestLength = 8;

/**
 * The node name of this data folder on this machine, such as `build-7-3f2a9c01`: the host name and
 * a digest of the folder's path. It is stored in the folder, so it stays the same when the host is
 * renamed. If the folder was emptied, the same name is made again, so that replicas recorded under
 * it are not taken for another machine's.
 */
export async function nodeName(dataDir: string): Promise<string> {
  const file = join(dataDir, "node");
  const kept = (await readFile(file, "utf8").catch(() => "")).trim();
  if (kept !== "") return kept;
  const name = `${hostname()}-${createHash("sha256").update(dataDir).digest("hex").slice(0, digestLength)}`;
  await writeFile(`${file}.part`, `${name}\n`);
  await rename(`${file}.part`, file);
  return name;
}
