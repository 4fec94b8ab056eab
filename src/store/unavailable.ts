import { refusal, type StatusError } from "../core/errors.ts";
import type { StoreTrouble } from "../core/store-trouble.ts";
import { storeTroubleInWords } from "../core/words/store-trouble-words.ts";

/** The wait that callers are asked to keep before a retry. */
const retryAfterMs = 1_000;

/** The error of a call while the store cannot be used. */
export function unavailable(trouble: StoreTrouble): StatusError {
  return refusal("STORE_UNAVAILABLE", storeTroubleInWords(trouble), { retryAfterMs, metadata: { store: trouble.kind } });
}
