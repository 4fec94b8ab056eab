/** Time, for all other rooms. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
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
