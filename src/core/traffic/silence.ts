/** The longest interval of a replica's load reports: without autoscaling, too, silence is noticed. */
export const reportMaxMs = 2_000;
/** How long a replica that must answer may say nothing, until it gets no more requests: 3 reports. */
export const silentAfterMs = 3 * reportMaxMs;
/** How often this process looks how long each replica has been silent. */
export const listenMs = 500;

/**
 * How long a replica has been silent at the present look, `passedMs` after the last one. A late look
 * counts as one in time: this process itself stood still, and what replicas have said meanwhile
 * waits to be read. Otherwise every replica would seem silent after it.
 */
export const silentFor = (silentMs: number, passedMs: number): number => silentMs + Math.min(passedMs, listenMs);

/** Whether the replica gets no requests until it is heard again. */
export const isSilent = (silentMs: number): boolean => silentMs >= silentAfterMs;
