/** How many of the latest changes are kept for watchers. */
export const changesKept = 20_000;
/**
 * The bytes of the changes that are kept for watchers, with the contents that only they refer to.
 * The oldest changes go first; the last one always stays.
 */
export const changesBytesMax = 16 * 2 ** 20;
/** Changes in one batch: so few that their JSON is read at once, even where each is of a large spec. */
export const batchMax = 100;
/** Entries per page. A larger limit is cut to it. */
export const pageMax = 1_000;
/** How long the answer to a request id is kept. */
export const requestTtlMs = 24 * 3_600_000;
/**
 * The bytes of the answers that are kept for retries, with the contents that only they refer to.
 * The oldest answers go first; the last one always stays.
 */
export const answersBytesMax = 32 * 2 ** 20;
/** The least length of a value, as JSON, that is kept once as a content. */
export const contentLengthMin = 1_024;
/** What a kept change or answer costs, in bytes, besides its key, its JSON and its references. */
export const overheadBytes = 128;
/** How many of the latest answers to requests a process keeps for a store that comes back empty. */
export const answersMax = 10_000;
