/** Why the store cannot be used now. The proto enum `StoreTroubleKind` has the same kinds. */
export type StoreTroubleKind =
  /** It cannot be reached, or does not answer. */
  | "away"
  /** It came back without any data, and has not been filled again. */
  | "empty"
  /** It wants a password (NOAUTH). */
  | "passwordMissing"
  /** It refuses the password (WRONGPASS). */
  | "passwordWrong"
  /** The user may not run the commands (NOPERM). */
  | "notPermitted"
  /** It cannot write to its disk, so it takes no writes (MISCONF). */
  | "diskFailing"
  /** Its memory is used up (OOM). */
  | "memoryFull"
  /** It is a replica now, or its primary is gone (READONLY, MASTERDOWN). */
  | "readOnly"
  /** It still reads its data (LOADING). */
  | "loading"
  /** It refuses for another passing reason. */
  | "refusing";

export interface StoreTrouble {
  readonly kind: StoreTroubleKind;
  /** Redis's own words. Unset: it said nothing. */
  readonly said?: string;
}

const readable: ReadonlySet<StoreTroubleKind> = new Set(["notPermitted", "diskFailing", "memoryFull", "readOnly", "refusing"]);

/**
 * Whether the store may still be read. Where it may not, a read that succeeds shows that the
 * trouble is over.
 */
export const mayBeRead = ({ kind }: StoreTrouble): boolean => readable.has(kind);
