/**
 * Callers may leave, and by the thousand. What no caller does is to take back call after call
 * before the gateway has even looked at it: that costs the gateway more than the caller, and is
 * known as rapid reset. So a connection may do that {@link unseenMax.burst} times, and again
 * {@link unseenMax.perSecond} times each second; a call that was seen gives one back. A connection
 * that exceeds this is ended.
 */
export const unseenMax = { burst: 1_000, perSecond: 100 } as const;
/** Calls, seen or not, that a connection may reset: at once, and each second. */
export const resetsMax = { burst: 5_000, perSecond: 1_000 } as const;

/** What a connection may still take back unseen. */
export interface Allowance {
  readonly left: number;
  readonly atMs: number;
}

export function newAllowance(nowMs: number): Allowance {
  return { left: unseenMax.burst, atMs: nowMs };
}

/** After a call that was seen. */
export function afterSeen(before: Allowance): Allowance {
  return { ...before, left: Math.min(unseenMax.burst, before.left + 1) };
}

/** After a call that was taken back unseen. Undefined: that was one too many. */
export function afterUnseen(before: Allowance, nowMs: number): Allowance | undefined {
  const regained = (Math.max(0, nowMs - before.atMs) / 1_000) * unseenMax.perSecond;
  const left = Math.min(unseenMax.burst, before.left + regained) - 1;
  return left < 0 ? undefined : { left, atMs: nowMs };
}
