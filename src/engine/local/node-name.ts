import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

const digestLength = 8;

/**
 * The name of the node that this data folder of this machine is, such as `build-7-3f2a9c01`: the machine's name and a digest of the
 * folder's path. It is written down in the folder, so that it stays when the machine is named differently; and it is made again the same
 * when the folder was emptied, so that replicas recorded under it are not taken for another machine's.
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
