import { type Deployment, type Replica, ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import { type StoreTrouble, StoreTroubleKind } from "../../gen/drover/v1/facts_pb.ts";

type Labels = Readonly<Record<string, string>>;
interface Sample {
  readonly labels: Labels;
  readonly value: number | bigint;
}

/**
 * Deployments and replicas in the text format of Prometheus, version 0.0.4. `faults`: errors that
 * nothing caught.
 */
export function metricsText(
  deployments: readonly Deployment[],
  replicas: readonly Replica[],
  storeTrouble: StoreTrouble | undefined,
  faults?: number,
): string {
  const byDeployment = (read: (status: NonNullable<Deployment["status"]>) => number | bigint): readonly Sample[] =>
    deployments.flatMap(({ spec, status }) => (spec && status ? [{ labels: { deployment: spec.name }, value: read(status) }] : []));
  return [
    gauge(
      "drover_deployment_target_replicas",
      "Replicas wanted.",
      byDeployment((status) => status.targetReplicas),
    ),
    gauge(
      "drover_deployment_running_replicas",
      "Replicas that get requests.",
      byDeployment((status) => status.runningReplicas),
    ),
    gauge(
      "drover_deployment_ongoing_requests",
      "Requests in work.",
      byDeployment((status) => status.ongoingRequests),
    ),
    gauge(
      "drover_deployment_queued_requests",
      "Requests that wait at the gateway.",
      byDeployment((status) => status.queuedRequests),
    ),
    gauge("drover_replicas", "Replicas by deployment and state.", countReplicas(deployments, replicas)),
    gauge("drover_models", "Models that a replica holds.", heldModels(replicas)),
    counter("drover_batches_total", "Batches that a method worked on.", byMethod(replicas, "batchesTotal")),
    counter("drover_batch_items_total", "Requests in these batches.", byMethod(replicas, "itemsTotal")),
    counter("drover_batch_wait_seconds_total", "How long these requests waited for their batch.", byMethod(replicas, "waitSecondsTotal")),
    ...(faults === undefined
      ? []
      : [counter("drover_uncaught_errors_total", "Errors that nothing caught: bugs in Drover.", [{ labels: {}, value: faults }])]),
    gauge("drover_store_trouble", "1 for what is wrong with the store now, so that nothing can be changed.", troubles(storeTrouble)),
  ].join("");
}

/** Every kind of trouble, also with 0. */
function troubles(storeTrouble: StoreTrouble | undefined): readonly Sample[] {
  const kinds = Object.entries(StoreTroubleKind).filter(([, value]) => value !== StoreTroubleKind.UNSPECIFIED);
  return kinds.map(([kind, value]) => ({ labels: { kind }, value: storeTrouble?.kind === value ? 1 : 0 }));
}

/**
 * Every state of every deployment, also with 0 replicas: an alert needs a series that is always
 * there.
 */
function countReplicas(deployments: readonly Deployment[], replicas: readonly Replica[]): readonly Sample[] {
  const names = new Set([...deployments.map(({ spec }) => spec?.name ?? ""), ...replicas.map(({ deployment }) => deployment)]);
  const states = Object.entries(ReplicaState).filter(([, value]) => value !== ReplicaState.UNSPECIFIED);
  const counts = new Map<string, number>();
  for (const { deployment, state } of replicas) counts.set(`${deployment} ${state}`, (counts.get(`${deployment} ${state}`) ?? 0) + 1);
  return [...names].flatMap((deployment) =>
    states.map(([state, value]) => ({ labels: { deployment, state }, value: counts.get(`${deployment} ${value}`) ?? 0 })),
  );
}

/** Of each replica whose program loads models by name. */
function heldModels(replicas: readonly Replica[]): readonly Sample[] {
  return replicas.flatMap(({ deployment, replicaId: replica, models, maxModels }) =>
    maxModels > 0 || models.length > 0 ? [{ labels: { deployment, replica }, value: models.length }] : [],
  );
}

/**
 * By replica, as a counter may not fall when a replica ends: Prometheus sums the rates of replicas.
 */
function byMethod(replicas: readonly Replica[], total: "batchesTotal" | "itemsTotal" | "waitSecondsTotal"): readonly Sample[] {
  return replicas.flatMap(({ deployment, replicaId: replica, batches }) =>
    batches.map((of) => ({ labels: { deployment, replica, method: of.method }, value: of[total] })),
  );
}

function counter(name: string, help: string, samples: readonly Sample[]): string {
  return series("counter", name, help, samples);
}

function gauge(name: string, help: string, samples: readonly Sample[]): string {
  return series("gauge", name, help, samples);
}

function series(type: "gauge" | "counter", name: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(({ labels, value }) => `${name}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
