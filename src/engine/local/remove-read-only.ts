import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Removes a folder whose folders nobody may write to. No error if it is not there. */
export async function removeReadOnly(path: string): Promise<void> {
  await makeWritable(path);
  await rm(path, { recursive: true, force: true, maxRetries: 10 }); // something may be written to it right now
}

async function makeWritable(folder: string): Promise<void> {
  const entries = await chmod(folder, 0o700).then(
    () => readdir(folder, { withFileTypes: true }),
    () => [], // gone, or not ours: the removal says so
  );
  for (const entry of entries) if (entry.isDirectory()) await makeWritable(join(folder, entry.name));
}
