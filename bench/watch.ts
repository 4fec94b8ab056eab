// What many watches cost those who deploy.
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Drover } from "../test/e2e/drover.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const watchers = quick ? 50 : 1_000;
const deployments = 5;
const deploys = quick ? 10 : 50;

async function measure(): Promise<readonly Section[]> {
  const drover = await Drover.start();
  try {
    const program = { kind: { case: "command" as const, value: { argv: ["true"] } } };
    const deploy = (n: number) => {
      const spec = { name: `app-${n % deployments}`, version: "1", program, numReplicas: 0, labels: { n: String(n) } };
      return drover.controller.deploy({ spec });
    };
    const rows: string[][] = [];
    let n = 0;
    for (; n < deployments; n++) await deploy(n);
    for (const count of [0, watchers]) {
      const child = fork(join(import.meta.dirname, "watchers.ts"), [drover.addresses.api, String(count)]);
      await once(child, "message");
      const tookMs: number[] = [];
      const beganMs = performance.now();
      const until = n + deploys;
      for (; n < until; n++) {
        const deployedMs = performance.now();
        await deploy(n);
        tookMs.push(performance.now() - deployedMs);
      }
      const deployedMs = performance.now() - beganMs;
      const seen = once(child, "message");
      child.send(String(n - 1));
      const [{ events }] = (await seen) as [{ readonly events: number }];
      const seenMs = performance.now() - beganMs;
      rows.push([
        figure(count),
        figure(deployedMs / 1_000, 2),
        figure(median(tookMs), 1),
        figure(quantile(tookMs, 1), 1),
        figure(seenMs / 1_000, 2),
        figure(events),
      ]);
      child.kill();
    }
    const columns = ["watchers", `${deploys} deploys, s`, "p50 ms", "max ms", "all have seen all, s", "events"];
    return [{ title: "Many watches", columns, rows, notes }];
  } finally {
    await drover.close();
  }
}

const notes = [
  `${deploys} \`Deploy\`s, one after the other, of ${deployments} small deployments without replicas, while others watch all deployments with \`WatchDeployments\`. The watchers are in one other process, 100 on each connection.`,
];

await present(measure);
