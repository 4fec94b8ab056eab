import type { Deed, Facts, Verdict, Written } from "./facts.ts";

/** I4. Only the controller that holds the lease writes, under the epoch it was given. */
export function writesUnderLease(facts: Facts, { look, options }: Written): Verdict {
  if (look === undefined) return undefined;
  const wrong = notLeading(facts, look.controller) ?? (options.epoch === facts.lease?.epoch ? undefined : `epoch ${options.epoch}`);
  return wrong === undefined ? undefined : { invariant: "I4", text: `${look.controller} wrote under ${wrong}` };
}

/** I4. Only the controller that holds the lease acts. */
export function actsUnderLease(facts: Facts, { verb, replicaId, look }: Deed): Verdict {
  // A controller that ends stops the replicas of its machine, also while it cannot reach the store,
  // or before it led.
  if (facts.stopping.has(look.controller) && verb !== "start") return undefined;
  const wrong = notLeading(facts, look.controller);
  return wrong === undefined ? undefined : { invariant: "I4", text: `${look.controller} did ${verb} ${replicaId} under ${wrong}` };
}

function notLeading({ lease, nowMs }: Facts, controller: string): string | undefined {
  if (lease === undefined || lease.untilMs <= nowMs) return "no lease";
  return lease.holder === controller ? undefined : `the lease of ${lease.holder}`;
}

/** I4. A new leader gets an epoch that no leader had. */
export function epochsGrow(before: Facts["lease"], lease: NonNullable<Facts["lease"]>): Verdict {
  const same = before?.holder === lease.holder && before.epoch === lease.epoch;
  return same || lease.epoch > (before?.epoch ?? 0)
    ? undefined
    : { invariant: "I4", text: `${lease.holder} was given epoch ${lease.epoch} after ${before?.epoch}` };
}
