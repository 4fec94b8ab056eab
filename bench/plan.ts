// The cost of the plan for one large deployment in the middle of a rollout: only the pure function.
import type { DeploymentRecord } from "../src/core/deployment.ts";
import type { ReplicaRecord, ReplicaState } from "../src/core/replica.ts";
import { plan } from "../src/core/rollout/plan.ts";
import type { PlanInput, SeenReplica } from "../src/core/rollout/sight.ts";
import { spec } from "../test/kit/records.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const target = 5_000;
const runs = quick ? 20 : 500;
const targetMs = 20;
const nowMs = 1_000_000_000;

const deployment: DeploymentRecord = {
  uid: "u",
  spec: { ...spec, numReplicas: target },
  generation: 2,
  revision: 2,
  newestRevision: 2,
  configGeneration: 1,
  newestConfigGeneration: 1,
  createdAtMs: 0,
  updatedAtMs: nowMs - 60_000,
};

/** `count` replicas as a controller observes them when it is connected to all. */
function replicas(count: number, revision: number, state: ReplicaState): readonly SeenReplica[] {
  return Array.from({ length: count }, (_, index): SeenReplica => {
    const replica: ReplicaRecord = {
      id: `app-${revision}-${state}-${index}`,
      deployment: "app",
      uid: "u",
      revision,
      state,
      resources: spec.resources,
      gpuIndexes: [],
      node: "here",
      address: "unix:/x",
      token: "t",
      createdAtMs: nowMs - 60_000 - index,
      sinceMs: nowMs - 30_000,
      readyAtMs: state === "STARTING" ? undefined : nowMs - 30_000,
    };
    const process = { process: "alive", node: "here", address: replica.address, errors: [] } as const;
    const answer = state === "STARTING" ? "unknown" : "ready";
    return {
      replica,
      ...process,
      contactSinceMs: nowMs - 60_000,
      answer,
      configured: true,
      ongoing: index % 5,
      routable: answer === "ready",
      drained: false,
    };
  });
}

async function measure(): Promise<readonly Section[]> {
  const seen = [
    ...replicas(2_500, 1, "RUNNING"),
    ...replicas(1_500, 2, "RUNNING"),
    ...replicas(1_900, 2, "STARTING"),
    ...replicas(600, 1, "DRAINING"),
  ];
  const healthy = { settled: { revision: 1, target }, healthyRevisions: [1] };
  const input: PlanInput = {
    deployment,
    packages: undefined,
    progress: {
      uid: "u",
      observedGeneration: 2,
      revision: 2,
      failedStarts: 0,
      everRan: true,
      everStable: true,
      progressedAtMs: nowMs - 30_000,
      ...healthy,
    },
    seen,
    findRevision: () => undefined,
    lastDecision: () => undefined,
    room: { kind: "ledger", node: "here", capacity: { cpuMilli: 10_000_000, gpuCount: 0, memoryBytes: 2 ** 50 } },
    held: seen.map(({ replica }) => replica),
    nowMs,
    actingSinceMs: 0,
    pending: () => [],
    draw: 0.5,
  };
  const tookMs: number[] = [];
  for (let run = 0; run < runs; run++) {
    const beganMs = performance.now();
    plan(input);
    tookMs.push(performance.now() - beganMs);
  }
  const actions = plan(input);
  const row = [
    figure(seen.length),
    figure(actions.length),
    figure(median(tookMs), 2),
    figure(quantile(tookMs, 0.99), 2),
    figure(Math.max(...tookMs), 2),
  ];
  return [{ title: "Plan of one large deployment", columns: ["replicas", "actions", "p50 ms", "p99 ms", "max ms"], rows: [row], notes }];
}

const notes = [
  `${runs} plans for a deployment of ${figure(target)} replicas in the middle of a rollout: old and new ones running, starting and draining. The target is below ${targetMs} ms.`,
];

await present(measure);
