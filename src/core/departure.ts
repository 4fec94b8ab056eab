import type { ConfigProblem } from "./ending.ts";

/** Why a replica is being removed. */
export type Departure =
  | { readonly kind: "scaledDown" }
  /** `by`: the revision that replaces it. */
  | { readonly kind: "replaced"; readonly by: number }
  /** Removed first, because a new replica can start only in its place. */
  | { readonly kind: "replacedFirst"; readonly by: number }
  /** Its deployment is being deleted. */
  | { readonly kind: "deleted" }
  /** The replica does not work; its record's `failure` says why. */
  | { readonly kind: "failing" }
  /** The replica did not take a config, or could not go back from it: its config is not known. */
  | { readonly kind: "unknownConfig"; readonly problem: ConfigProblem | undefined }
  /** The controller ended before it started the process. */
  | { readonly kind: "neverStarted" }
  /** The text of version 0.1.0. */
  | { readonly kind: "earlier"; readonly text: string };
