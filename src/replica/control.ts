import { timingSafeEqual } from "node:crypto";
import { refusal } from "../core/errors.ts";
import { tokenHeader } from "../core/metadata-keys.ts";
import type { CallContext } from "../rpc/service.ts";

/** Admits control calls: only from the leader that started the replica, or from a later leader. */
export class Control {
  readonly #token: string | undefined;
  #epoch = 0n;

  /** Without a token, calls of any client are admitted. */
  constructor(token: string | undefined) {
    this.#token = token;
  }

  /** Invariant: after a call of one epoch, no call of a lower epoch is admitted. */
  check(context: CallContext, epoch: bigint): void {
    const given = String(context.metadata.get(tokenHeader)[0] ?? "");
    if (this.#token !== undefined && !equal(given, this.#token)) {
      throw refusal("TOKEN_MISMATCH", "a control call needs the replica's token in the metadata key drover-token");
    }
    this.checkEpoch(epoch);
  }

  /** To be called again for a call that has waited: a later leader may have called since. */
  checkEpoch(epoch: bigint): void {
    if (epoch < this.#epoch) {
      throw refusal("STALE_EPOCH", `epoch ${epoch} is over: a leader of epoch ${this.#epoch} has called since`);
    }
    this.#epoch = epoch;
  }
}

/** In constant time, so that the duration does not show how much of the token is right. */
function equal(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
