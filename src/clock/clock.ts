/** Time as the rest of the house may know it. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts; never rejects. Look at the signal afterwards. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` once after `ms`; the answer cancels it. Does not keep the process alive. */
  after(ms: number, run: () => void): () => void;
}

/** Chance as the rest of the house may know it. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `length` characters of a-z and 0-9. */
  id(length: number): string;
}
