/** How many of the latest changes are kept for watchers. Redis keeps up to one hundred more. */
export const changesKept = 20_000;
/** Changes in one batch. */
export const batchMax = 1_000;
/** Entries per page. A larger limit is cut to it. */
export const pageMax = 1_000;
/** How long the answer to a request id is kept. */
export const requestTtlMs = 24 * 3_600_000;
