/** The moment of a decision, by the clock of the controller that acts. */
export interface ActingTime {
  /** Invariant: no time that a leader has written to a record is later. */
  readonly nowMs: number;
  /** Since when this controller acts. */
  readonly actingSinceMs: number;
}

/**
 * How long something has lasted whose beginning a leader has written to a record. Only the time in
 * which the present controller acts counts. An earlier time is by the clock of another controller,
 * or of an earlier run of this one, and somebody may have set the machine's clock since.
 */
export const elapsedMs = (sinceMs: number, { nowMs, actingSinceMs }: ActingTime): number => nowMs - Math.max(sinceMs, actingSinceMs);
