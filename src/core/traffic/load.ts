/** A replica's report of its load, combined with the gateways' counts of that moment. */
export interface LoadReport {
  /** Requests in work at the replica, from callers of any kind. */
  readonly ongoing: number;
  /** Of these, requests that no gateway sent: an estimate, made when the report came in. */
  readonly elsewhere: number;
  /** When the report came in. */
  readonly atMs: number;
}

/** What is known of the load of one replica. */
export interface ReplicaSight {
  /** Whether the program reports its load. False: only the gateways' counts are known. */
  readonly reports: boolean;
  /** The last report. Undefined: none yet, or the stream of reports broke. */
  readonly report: LoadReport | undefined;
  /** Requests in work that gateways sent: exact at every moment. */
  readonly given: number;
  /** Whether requests can be sent to it now. */
  readonly routable: boolean;
}

/**
 * How many of a replica's `reported` requests did not come from a gateway. `given`: the gateways'
 * own.
 *
 * A report is compared with the gateways' count at the moment it comes in. Only the difference is
 * kept, and is added to the count as that moves on. The larger of report and count would be wrong:
 * a report may be one interval old, and a request that has moved from one replica to another since
 * would count twice.
 */
export function elsewhereOf(reported: number | undefined, given: number): number {
  return Math.max(0, (reported ?? 0) - given);
}

/** Requests in work at a replica: those of gateways, and those of other callers. */
export const totalLoad = (given: number, elsewhere: number): number => given + elsewhere;

/**
 * Requests in work at a replica now, from callers of any kind. Undefined: not known, because a
 * replica that reports has no report.
 */
export function loadOfReplica({ reports, report, given }: Pick<ReplicaSight, "reports" | "report" | "given">): number | undefined {
  if (!reports) return given;
  return report === undefined ? undefined : totalLoad(given, report.elsewhere);
}

/** The load of a deployment. */
export interface DeploymentLoad {
  /** Requests in work at its replicas, as far as known. */
  readonly ongoing: number;
  /** Requests that wait at gateways. */
  readonly queued: number;
  /** Whether the load of every replica is known, from a fresh report. */
  readonly known: boolean;
  /** Replicas to which requests can be sent now. */
  readonly routable: number;
}

/**
 * The load of a deployment: the sum over its replicas of what each reported, corrected by the
 * gateways' counts since, and the requests that wait at gateways. `staleAfterMs`: the age from
 * which a report no longer counts as known.
 */
export function loadOfDeployment(
  replicas: readonly ReplicaSight[],
  queued: number,
  { nowMs, staleAfterMs = Number.POSITIVE_INFINITY }: { readonly nowMs: number; readonly staleAfterMs?: number },
): DeploymentLoad {
  let [ongoing, known, routable] = [0, true, 0];
  for (const sight of replicas) {
    const load = loadOfReplica(sight);
    ongoing += load ?? sight.given;
    if (sight.routable) routable += 1;
    if (load === undefined || (sight.reports && nowMs - (sight.report?.atMs ?? nowMs) > staleAfterMs)) known = false;
  }
  return { ongoing, queued, known, routable };
}

/** What gateways count. */
export interface GatewayCounts {
  /** Requests of a deployment that wait for a replica. */
  queued(deployment: string): number;
  /** Requests in work that gateways sent to a replica. */
  ongoing(replicaId: string): number;
  /** Requests that a replica has ended since it became an endpoint: with OK, and otherwise. */
  ended(replicaId: string): { readonly completed: number; readonly failed: number };
}
