import { type Candidate, isFull, pick } from "./pick.ts";

/** A replica, as seen by the pick for a model. */
export interface ModelCandidate extends Candidate {
  readonly replicaId: string;
  /** The models that it is believed to hold. */
  readonly models: ReadonlySet<string>;
  /** Whether it can load one more model without unloading another. */
  readonly hasModelRoom: boolean;
  /**
   * When this gateway last gave it a request for the model that it would unload first: the number of
   * that use, which grows. 0: never.
   */
  readonly oldestModelUse: number;
}

/**
 * The replica for a request that needs a model. Of the replicas that are not full: one that holds
 * the model, the less loaded of two random ones. Else the one that rendezvous hashing gives: among
 * those with room for one more model. If none has, the one whose model was not used for longest: by
 * hashing alone, five models may share a replica for three while another keeps some that nobody
 * asks for. Undefined: all are full.
 */
export function pickForModel<C extends ModelCandidate>(
  candidates: readonly C[],
  maxOngoing: number,
  model: string,
  draw1: number,
  draw2: number,
): C | undefined {
  const open = candidates.filter((candidate) => !isFull(candidate, maxOngoing));
  const holders = open.filter(({ models }) => models.has(model));
  if (holders.length > 0) return pick(holders, maxOngoing, draw1, draw2);
  const roomy = open.filter(({ hasModelRoom }) => hasModelRoom);
  if (roomy.length > 0) return highestRanked(roomy, model);
  const oldest = Math.min(...open.map(({ oldestModelUse }) => oldestModelUse));
  return highestRanked(
    open.filter(({ oldestModelUse }) => oldestModelUse === oldest),
    model,
  );
}

/**
 * Rendezvous hashing: each replica has a rank for the model, and the highest one wins. A replica
 * that comes or goes moves only the models that it wins or has won.
 */
function highestRanked<C extends ModelCandidate>(candidates: readonly C[], model: string): C | undefined {
  let best: C | undefined;
  let bestRank = -1;
  for (const candidate of candidates) {
    const rank = fnv1a(`${model}\0${candidate.replicaId}`);
    if (rank > bestRank) [best, bestRank] = [candidate, rank];
  }
  return best;
}

/** FNV-1a of 32 bits over UTF-16 code units. http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
