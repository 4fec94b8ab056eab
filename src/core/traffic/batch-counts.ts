/** What one method of a replica has done in batches since the replica started. */
export interface BatchCounts {
  readonly method: string;
  /** Batches that were worked on. */
  readonly batches: number;
  /** Requests in them. */
  readonly items: number;
  /** How long these requests waited for their batch to begin, together. */
  readonly waitSeconds: number;
}
