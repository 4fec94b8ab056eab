/**
 * The metadata of a request. Upper and lower case make no difference in names. Values are text, or
 * bytes where the name ends in `-bin`.
 */
export interface RequestMetadata {
  /** The value; undefined: there is none. Text that came several times is joined by `, `. */
  get(name: `${string}-bin`): Uint8Array | undefined;
  get(name: string): string | undefined;
  /** All values, in the order in which they came. `get` of bytes returns the first of them. */
  getAll(name: `${string}-bin`): readonly Uint8Array[];
  getAll(name: string): readonly string[];
}

/** The context of a request: for a program's method, and for every function that it calls. */
export interface RequestContext {
  /** Aborts when the caller leaves or the deadline passes. */
  readonly signal: AbortSignal;
  /** When the caller stops waiting, milliseconds since 1970; undefined: never. */
  readonly deadlineMs: number | undefined;
  /** The metadata that the caller sent. */
  readonly metadata: RequestMetadata;
  /**
   * The request's id: the caller's `x-request-id`, at most 128 characters of it, else a new one.
   * Calls by handles take it along, and errors and logs name it.
   */
  readonly requestId: string;
  /** The model that the request needs, by the metadata key `drover-model`. Undefined: none. */
  readonly model: string | undefined;
  /** The method's name. Of one of the program's own services: its whole name in gRPC. */
  readonly method: string;
  readonly replicaId: string;
  readonly deployment: string;
  readonly revision: number;
}
