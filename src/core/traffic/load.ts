/** What a replica reported of its load, and what a gateway knew at that moment. */
export interface LoadReport {
  /** Requests in work at the replica, from callers of any kind. */
  readonly ongoing: number;
  /** Of these, requests that no gateway had given it: an estimate, made once, when the report came in. */
  readonly elsewhere: number;
  /** When the report came in. */
  readonly atMs: number;
}

/** What is known of the load of one replica. */
export interface ReplicaSight {
  /** Whether its program reports its load; false: the gateways' counts are all there is. */
  readonly reports: boolean;
  /** Its last report; undefined: none yet, or the stream that brought it has broken. */
  readonly report: LoadReport | undefined;
  /** Requests that gateways have given it and that have not ended: exact at every moment. */
  readonly given: number;
  /** Whether it can be given requests now. */
  readonly routable: boolean;
}

/**
 * How many of a replica's `reported` requests did not come by a gateway, when `given` are the gateways' own.
 *
 * The report is compared with the gateways' count of the moment it came in, and only the difference is kept, to be added to that count
 * as it moves on. The larger of report and count would not do: a report may be an interval old, and a request that moved from one
 * replica to another since would count twice.
 */
export function elsewhereOf(reported: number | undefined, given: number): number {
  return Math.max(0, (reported ?? 0) - given);
}

/** Requests in work at a replica now, from callers of any kind; undefined: not known, as it reports and no report is there. */
export function loadOfReplica({ reports, report, given }: Pick<ReplicaSight, "reports" | "report" | "given">): number | undefined {
  if (!reports) return given;
  return report === undefined ? undefined : report.elsewhere + given;
}

/** The load of a deployment. */
export interface DeploymentLoad {
  /** Requests in work at its replicas, as far as that is known. */
  readonly ongoing: number;
  /** Requests that wait at gateways. */
  readonly queued: number;
  /** Whether every replica's load is known, by a report that is fresh. */
  readonly known: boolean;
  /** Replicas that can be given requests now. */
  readonly routable: number;
}

/**
 * The load of a deployment: the sum over its replicas of what each reported, corrected by what gateways gave it and saw end since, and
 * what waits at gateways. `staleAfterMs`: the age from which a report is not taken for knowledge.
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
