import { chmod, constants, copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ResolvedRequirements } from "./requirements.ts";

/** How many files are copied at the same time. */
const copiesMax = 16;

/** The files of the bundle that an environment was made from: the tools may write among them. */
export const sourceFolder = (path: string): string => join(path, "source");

/** Copies the files that the tools read into an environment's folder. */
export async function copySources(path: string, { files, folder }: ResolvedRequirements, signal: AbortSignal): Promise<void> {
  if (folder === undefined) return;
  const target = sourceFolder(path);
  for (const made of new Set(files.map((file) => dirname(join(target, file.path))))) await mkdir(made, { recursive: true });
  const left = [...files];
  const copyNext = async (): Promise<void> => {
    for (let file = left.pop(); file !== undefined && !signal.aborted; file = left.pop()) {
      const copy = join(target, file.path);
      await copyFile(join(folder, file.path), copy, constants.COPYFILE_FICLONE);
      await chmod(copy, file.executable ? 0o755 : 0o644);
    }
  };
  await Promise.all(Array.from({ length: copiesMax }, copyNext));
}
