// Parts of sentences that several subjects share.
import { formatBytes } from "../resources.ts";

/** `1 replica`, `3 replicas`. */
export const plural = (count: number, noun: string): string => (count === 1 ? `1 ${noun}` : `${count} ${noun}s`);

/** `1.5 s`. */
export const seconds = (ms: number): string => `${ms / 1_000} s`;

/** ` (text)`. Nothing where there is no text. */
export const inBrackets = (text: string | undefined): string => (text === undefined ? "" : ` (${text})`);

/** `2 GiB`, or `unknown` where the count is not known. */
export const bytes = (count: number | undefined, unknown: string): string => (count === undefined ? unknown : formatBytes(count));

/** ` and 2 more`. Nothing where there are no more. */
export const andMore = (more: number): string => (more > 0 ? ` and ${more} more` : "");
