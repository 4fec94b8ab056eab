import { relative } from "node:path";
import { pathToFileURL } from "node:url";

/** The folder of the files of this replica's bundle. Undefined: it runs in none. */
const bundleFolder = (): string | undefined => process.env.DROVER_BUNDLE_FOLDER || undefined;

/** The path inside the bundle of a file of it. Undefined: this replica runs in no bundle. */
export function pathInBundle(file: string): string | undefined {
  const folder = bundleFolder();
  return folder === undefined ? undefined : relative(folder, file);
}

/**
 * A text with the paths that files have inside the bundle: its reader may have no access to this
 * machine.
 */
export function withPathsInBundle(text: string): string {
  const folder = bundleFolder();
  return folder === undefined ? text : text.replaceAll(`${pathToFileURL(folder).href}/`, "").replaceAll(`${folder}/`, "");
}
