/** The gRPC status codes that carry a failure. */
export type Code =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/**
 * The status code of each reason. A test compares the reasons with the proto enum `ErrorReason`.
 */
export const codeOfReason = {
  INVALID_FIELD: "INVALID_ARGUMENT",
  REQUEST_ID_REUSED: "INVALID_ARGUMENT",
  AMBIGUOUS_SERVICE: "INVALID_ARGUMENT",
  MESSAGE_TOO_LARGE: "INVALID_ARGUMENT",
  INVALID_PAGE_TOKEN: "INVALID_ARGUMENT",
  DIGEST_MISMATCH: "INVALID_ARGUMENT",
  DEPLOYMENT_NOT_FOUND: "NOT_FOUND",
  SERVICE_NOT_FOUND: "NOT_FOUND",
  METHOD_NOT_FOUND: "NOT_FOUND",
  REPLICA_NOT_FOUND: "NOT_FOUND",
  REVISION_NOT_FOUND: "NOT_FOUND",
  CONFIG_NOT_FOUND: "NOT_FOUND",
  BUNDLE_NOT_FOUND: "NOT_FOUND",
  FILE_NOT_FOUND: "NOT_FOUND",
  CONFLICT: "ABORTED",
  CHANGE_IN_PROGRESS: "ABORTED",
  WATCH_EXPIRED: "ABORTED",
  DEPLOYMENT_DELETING: "FAILED_PRECONDITION",
  RECONFIGURE_REFUSED: "FAILED_PRECONDITION",
  AUTOSCALED: "FAILED_PRECONDITION",
  NO_HEALTHY_REVISION: "FAILED_PRECONDITION",
  STALE_EPOCH: "FAILED_PRECONDITION",
  WRONG_REPLICA: "FAILED_PRECONDITION",
  OTHER_APPLICATION: "FAILED_PRECONDITION",
  FILES_MISSING: "FAILED_PRECONDITION",
  TOKEN_MISMATCH: "PERMISSION_DENIED",
  QUEUE_FULL: "RESOURCE_EXHAUSTED",
  REPLICA_BUSY: "RESOURCE_EXHAUSTED",
  METADATA_TOO_LARGE: "RESOURCE_EXHAUSTED",
  STORAGE_FULL: "RESOURCE_EXHAUSTED",
  REPLICA_DRAINING: "UNAVAILABLE",
  REPLICA_LOST: "UNAVAILABLE",
  NO_REPLICA: "UNAVAILABLE",
  STORE_UNAVAILABLE: "UNAVAILABLE",
  SHUTTING_DOWN: "UNAVAILABLE",
  QUEUE_DEADLINE: "DEADLINE_EXCEEDED",
  DEADLINE: "DEADLINE_EXCEEDED",
  CANCELLED: "CANCELLED",
  ENCODING_NOT_SUPPORTED: "UNIMPLEMENTED",
  PROTOCOL_VIOLATION: "INTERNAL",
  INTERNAL: "INTERNAL",
  PROGRAM_ERROR: "INTERNAL",
  /** As a rule with the code of the callee. */
  CALLEE_FAILED: "INTERNAL",
} as const satisfies Record<string, Code>;

/** Why a call failed, in more detail than its code. */
export type Reason = keyof typeof codeOfReason;

/** One wrong field of a request. */
export interface FieldViolation {
  /** Path of the field in proto names, for example `spec.resources.num_cpus`. */
  readonly field: string;
  /** What is wrong, with the value and the allowed range. */
  readonly description: string;
}

/** A typed message that goes with an error, in the protobuf encoding. */
export interface ErrorDetail {
  /** The message's full name, for example `drover.v1.ReconfigureFailure`. */
  readonly typeName: string;
  readonly value: Uint8Array;
}

/** Why a call reached no server. */
export interface Unreached {
  /** Nothing listens at the address. */
  readonly refused: boolean;
  /** The system's text. */
  readonly cause: string;
}

/** The deployment that a call by a handle was for. */
export interface Callee {
  readonly deployment: string;
  readonly method: string;
  /** The id of the replica that was called. Unset: it is not known; the call may have reached none. */
  readonly replica?: string;
}

/** What an error may carry besides its message. */
export interface ErrorFacts {
  readonly violations?: readonly FieldViolation[];
  /** Set if a retry may succeed: after how many milliseconds. */
  readonly retryAfterMs?: number;
  /**
   * Names and values for machines, for example `{ deployment: "sentiment" }`. They reach the caller
   * in a `google.rpc.ErrorInfo`; together at most 768 bytes, the rest is cut.
   */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Facts that have a message of their own; together at most 2 KiB, what exceeds it is left out. */
  readonly details?: readonly ErrorDetail[];
  /** Set by a client, and never sent: the call reached no server. */
  readonly unreached?: Unreached;
  /** Set by a client, and never sent: the connection was lost while the call was in work. */
  readonly lost?: true;
  /** Set by a handle, and never sent: the deployment that failed. */
  readonly callee?: Callee;
}

/**
 * The only error class: a gRPC status for a caller. Anything else that is thrown reaches callers as
 * INTERNAL with a fixed text.
 */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: Code;
  /** Unset: the status comes from a program, not from Drover. */
  readonly reason: Reason | undefined;
  readonly facts: ErrorFacts;
  /**
   * The deployment that failed, in an error of a call by a handle. A program that lets the error
   * pass fails with CALLEE_FAILED. Undefined: no handle was called.
   */
  readonly callee: Callee | undefined;

  constructor(code: Code, message: string, facts: ErrorFacts & { readonly reason?: Reason } = {}) {
    super(message);
    this.code = code;
    this.reason = facts.reason;
    this.facts = facts;
    this.callee = facts.callee;
  }
}

/** The error for `reason`, with the code from the table. */
export function refusal(reason: Reason, message: string, facts: ErrorFacts = {}): StatusError {
  return new StatusError(codeOfReason[reason], message, { ...facts, reason });
}

/** INVALID_ARGUMENT with every wrong field. The message names the first. */
export function invalid(violations: readonly FieldViolation[]): StatusError {
  const [first] = violations;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  return refusal("INVALID_FIELD", first ? `${first.field}: ${first.description}${more}` : "invalid request", { violations });
}
