/** The calls in work of one deployment that is given time to end them. */
export interface CallsInWork {
  readonly deployment: string;
  readonly calls: number;
  readonly graceMs: number;
}
