// A rolling update of real replicas under load: its duration, the fewest available replicas, and
// failed requests.
import { join } from "node:path";
import { Drover } from "../test/e2e/drover.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median } from "./statistics.ts";

const replicas = quick ? 5 : 20;
const rollouts = quick ? 1 : 5;
const clients = 8;

interface Rollout {
  readonly tookMs: number;
  readonly availableMin: number;
  readonly requests: number;
  readonly failed: number;
}

async function measure(): Promise<readonly Section[]> {
  const drover = await Drover.start();
  try {
    await deploy(drover, 0);
    const found: Rollout[] = [];
    for (let version = 1; version <= rollouts; version++) found.push(await underLoad(drover, () => deploy(drover, version)));
    const sum = (of: (rollout: Rollout) => number) => found.reduce((total, rollout) => total + of(rollout), 0);
    const row = [
      figure(replicas),
      figure(median(found.map(({ tookMs }) => tookMs)) / 1_000, 1),
      figure(Math.max(...found.map(({ tookMs }) => tookMs)) / 1_000, 1),
      figure(Math.min(...found.map(({ availableMin }) => availableMin))),
      figure(sum(({ requests }) => requests)),
      figure(sum(({ failed }) => failed)),
    ];
    return [{ title: "Rollout", columns, rows: [row], notes }];
  } finally {
    await drover.close();
  }
}

const columns = ["replicas", "median s", "max s", "fewest available", "requests", "failed"];
const notes = [
  `${rollouts} rolling updates, one after the other, of a program that does nothing, with the default bounds (at most 20 % missing, 20 % extra), from \`Deploy\` until all replicas are new and the old ones have ended; ${clients} clients call it one request after the other without retries. The fewest available is from \`WatchDeployments\`.`,
];

async function deploy(drover: Drover, version: number): Promise<void> {
  const program = { kind: { case: "module" as const, value: { path: join(import.meta.dirname, "programs/empty.mjs") } } };
  await drover.controller.deploy({
    spec: { name: "empty", version: `v${version}`, program, numReplicas: replicas, resources: { numCpus: 0.01 } },
  });
  await drover.settled("empty");
}

/** Does the rollout under load; returns what the load and the watch observed. */
async function underLoad(drover: Drover, act: () => Promise<void>): Promise<Rollout> {
  const end = new AbortController();
  let [requests, failed, availableMin] = [0, 0, replicas];
  const call = async () => {
    while (!end.signal.aborted) {
      requests += 1;
      await drover.invoke("empty", "", null).catch(() => {
        failed += 1;
      });
    }
  };
  const watch = async () => {
    try {
      for await (const { event } of drover.controller.watchDeployments({ names: ["empty"] }, { signal: end.signal }))
        if (event.case === "deploymentUpdated") availableMin = Math.min(availableMin, event.value.status?.runningReplicas ?? 0);
    } catch (cause) {
      if (!end.signal.aborted) throw cause;
    }
  };
  const going = [watch(), ...Array.from({ length: clients }, call)];
  const beganMs = performance.now();
  await act();
  const tookMs = performance.now() - beganMs;
  end.abort();
  await Promise.all(going);
  return { tookMs, availableMin, requests, failed };
}

await present(measure);
