import type { ConfigProblem } from "./ending.ts";

/** Why a replica is taken away. */
export type Departure =
  | { readonly kind: "scaledDown" }
  /** `by`: the revision that replaces it. */
  | { readonly kind: "replaced"; readonly by: number }
  /** It goes before there is another, which cannot start beside it. */
  | { readonly kind: "replacedFirst"; readonly by: number }
  /** Its deployment is being deleted. */
  | { readonly kind: "deleted" }
  /** It does not work; `failure` of its record says why. */
  | { readonly kind: "failing" }
  /** It did not take a config, or could not go back from one: what it serves by is not known. */
  | { readonly kind: "unknownConfig"; readonly problem: ConfigProblem | undefined }
  /** The controller ended before it started the process. */
  | { readonly kind: "neverStarted" }
  /** As version 0.1.0 wrote it down. */
  | { readonly kind: "earlier"; readonly text: string };
