/**
 * What a response holds in the gateway at most while its caller does not read it: what its replica
 * may send unasked, and what is on its way to the caller.
 */
export const unreadPerCallBytes = 192 * 1024;
/** Bytes that all responses which are not read may hold together. */
export const unreadBytesMax = 256 * 1024 * 1024;
const unreadCallsMax = Math.floor(unreadBytesMax / unreadPerCallBytes);

/** A call whose response waits for its caller. */
export interface UnreadCall {
  /** The response is given up, with all that it holds. */
  giveUp(): void;
}

/**
 * The responses that wait because their callers do not read. A caller that reads is here for
 * moments. When all together hold too much, the response that waits longest is given up.
 */
export class Unread {
  readonly #calls = new Set<UnreadCall>();

  get size(): number {
    return this.#calls.size;
  }

  /** The caller takes no more. */
  add(call: UnreadCall): void {
    this.#calls.add(call);
    if (this.#calls.size <= unreadCallsMax) return;
    const [longest] = this.#calls;
    if (longest === undefined) return;
    this.#calls.delete(longest);
    longest.giveUp();
  }

  /** The caller reads again, or the call is over. */
  delete(call: UnreadCall): void {
    this.#calls.delete(call);
  }
}
