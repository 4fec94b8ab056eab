import type { FieldViolation } from "../core/errors.ts";

/** Finds what is wrong with one part of a request, in at most a few milliseconds. */
export type RequestCheck = () => readonly FieldViolation[];
