/** Time, for all other rooms. */
export interface Clock {
  /**
   * Milliseconds since 1970, as the machine's clock said when this process began, moved on by a
   * monotonic clock since. For durations, deadlines and records: a step of the machine's clock does
   * not change it.
   */
  nowMs(): number;
  /**
   * Milliseconds since 1970, as the machine's clock says. Somebody may set that clock, forward or
   * back, at any moment. Only for schedules, for log lines, and for libraries that compare with it;
   * the difference of two of its times is no duration.
   */
  wallMs(): number;
  /**
   * Resolves after `ms`, or as soon as `signal` aborts. Never rejects. Check the signal afterwards.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * Calls `run` once after `ms`. Returns the function that cancels it. Does not keep the process
   * alive.
   */
  after(ms: number, run: () => void): () => void;
}

/** Random numbers, for all other rooms. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `length` characters of a-z and 0-9. */
  id(length: number): string;
}
