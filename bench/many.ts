// Many replicas on one machine: how long until all run, and what the controller costs when they are
// idle.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Drover } from "../test/e2e/drover.ts";
import { cpuMsOf, memoryOf } from "./process-facts.ts";
import { figure, present, quick, type Section } from "./section.ts";

const replicas = quick ? 10 : 200;
const numCpus = 0.005;
const settleMs = quick ? 500 : 15_000;
const measuredMs = quick ? 1_000 : 30_000;
const targetPercent = 2;
const mebibyte = 2 ** 20;

async function measure(): Promise<readonly Section[]> {
  const drover = await Drover.start();
  try {
    const controller = drover.addresses.pid;
    const program = { kind: { case: "module" as const, value: { path: join(import.meta.dirname, "programs/empty.mjs") } } };
    const spec = { name: "empty", version: "1", program, resources: { numCpus }, numReplicas: replicas };
    const beganMs = performance.now();
    await drover.controller.deploy({ spec: { ...spec, startupTimeout: { seconds: 600n } } });
    await drover.settled("empty");
    const ranMs = performance.now() - beganMs;
    const running = await drover.running("empty");
    if (running.length !== replicas) throw new Error(`${running.length} replicas run, and not ${replicas}`);
    await sleep(settleMs);
    const before = { cpuMs: cpuMsOf(controller), atMs: performance.now() };
    await sleep(measuredMs);
    const percent = ((cpuMsOf(controller) - before.cpuMs) / (performance.now() - before.atMs)) * 100;
    const { resident, own } = memoryOf(controller);
    const row = [figure(replicas), figure(ranMs / 1_000, 1), figure(percent, 1), figure(resident / mebibyte), figure(own / mebibyte)];
    const columns = ["replicas", "s until all run", "controller, idle, % of a core", "its resident MiB", "of it its own MiB"];
    return [{ title: "Many replicas", columns, rows: [row], notes }];
  } finally {
    await drover.close();
  }
}

const notes = [
  `Replicas of an empty program, ${numCpus} CPUs each, each a process of its own. Idle: ${measuredMs / 1_000} s, ${settleMs / 1_000} s after the last began to serve, with a load report from each every 10 s. Its target is below ${targetPercent} %.`,
];

await present(measure);
