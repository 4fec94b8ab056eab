import type { BundleFile } from "../../core/bundle.ts";

/** A bundle that is unpacked. */
export interface UnpackedBundle {
  readonly files: readonly BundleFile[];
  /** Where its files are. They do not change. */
  readonly folder: string;
}
