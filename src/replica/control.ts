import { timingSafeEqual } from "node:crypto";
import { refusal } from "../core/errors.ts";
import type { CallContext } from "../rpc/service.ts";

/** Lets control calls in: those of the leader that started the replica, or of a later one. */
export class Control {
  readonly #token: string;
  #epoch = 0n;

  /** An empty token lets everybody in. */
  constructor(token: string) {
    this.#token = token;
  }

  /** Invariant: after a call of one epoch, none of a lower one is obeyed. */
  check(context: CallContext, epoch: bigint): void {
    const given = String(context.metadata.get("drover-token")[0] ?? "");
    if (this.#token && !equal(given, this.#token)) {
      throw refusal("TOKEN_MISMATCH", "a control call needs the replica's token in the metadata key drover-token");
    }
    this.checkEpoch(epoch);
  }

  /** Again for a call that has waited: a later leader may have called since. */
  checkEpoch(epoch: bigint): void {
    if (epoch < this.#epoch) {
      throw refusal("STALE_EPOCH", `epoch ${epoch} is over: a leader of epoch ${this.#epoch} has called since`);
    }
    this.#epoch = epoch;
  }
}

/** In a time that does not tell how much of it is right. */
function equal(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
