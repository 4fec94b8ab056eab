// How the number of replicas follows load, by Drover's rule and by Ray Serve's, in simulated time;
// and the cost of a decision.
//   DROVER_TRACE=FILE npm run bench -- autoscale, or  bench/autoscale.ts --trace FILE:  also with a
//   trace of real requests
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadOfArrivals, type TraceSample } from "../src/cli/load-trace.ts";
import { parseTrace } from "../src/cli/trace-file.ts";
import { decide, firstAutoscaleState } from "../src/core/autoscaling/autoscale.ts";
import { autoscaler, type SimulateOptions, type Simulation, simulate, tickMs } from "../src/core/autoscaling/simulate-autoscaling.ts";
import { type AutoscalingConfig, defaultAutoscaling } from "../src/core/autoscaling-config.ts";
import { SeededRandom } from "../test/sim/seeded-random.ts";
import { rayServe, rayServeDefaults } from "./ray-serve-rule.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const bounds = { minReplicas: 1, maxReplicas: 100, targetOngoingRequests: 10 } as const;
const config: AutoscalingConfig = { ...defaultAutoscaling, ...bounds };

type Rule = "Drover" | "Ray Serve";

function run(rule: Rule, samples: readonly TraceSample[], startupMs: number, more: Partial<SimulateOptions> = {}): Simulation {
  const startMs = samples[0]?.timeMs ?? 0;
  const scaler = rule === "Drover" ? autoscaler(config, startupMs, startMs) : rayServe({ ...bounds, ...rayServeDefaults }, tickMs);
  return simulate(scaler, samples, { startupMs, initial: 1, targetOngoingRequests: bounds.targetOngoingRequests, ...more });
}

const rules: readonly Rule[] = ["Drover", "Ray Serve"];

/**
 * No request for a minute, then 200 in flight for an hour. One sample a second, to observe each
 * change of the replicas.
 */
function step(): Section {
  const [calmMs, load, startupMs, hourMs] = [60_000, 200, 10_000, 3_600_000];
  const samples = Array.from({ length: (calmMs + hourMs) / 1_000 + 1 }, (_, second) => ({
    timeMs: second * 1_000,
    load: second * 1_000 < calmMs ? 0 : load,
  }));
  const needed = load / bounds.targetOngoingRequests;
  const rows = rules.map((rule) => {
    const { points, changes, turns } = run(rule, samples, startupMs);
    const enough = points.find(({ timeMs, running }) => timeMs >= calmMs && running >= needed);
    const highest = points.reduce((most, { desired }) => Math.max(most, desired), 0);
    const until = enough === undefined ? "never" : figure((enough.timeMs - calmMs) / 1_000);
    return [rule, until, figure(highest / needed, 2), figure(changes), figure(turns)];
  });
  const columns = ["rule", "s until enough serve", "overshoot", "changes", "turns"];
  const notes = [
    `A step from 0 to ${load} requests in flight, ${bounds.targetOngoingRequests} to a replica, which takes ${startupMs / 1_000} s to start; default settings, 1 to ${bounds.maxReplicas} replicas. Overshoot is the most replicas wanted, divided by the ${needed} needed; turns are changes of direction.`,
  ];
  return { title: "Autoscaling: a step", columns, rows, notes };
}

const columnsOfDay = ["rule", "replica-hours", "s short", "of it in the first 5 min", "changes", "turns", "most replicas"];
const beginMs = 300_000;

function compare(title: string, samples: readonly TraceSample[], startupMs: number, notes: readonly string[]): Section {
  const lengthMs = (samples.at(-1)?.timeMs ?? 0) - (samples[0]?.timeMs ?? 0);
  const found = rules.map((rule) => ({ rule, ...run(rule, samples, startupMs) }));
  const rows = found.map(({ rule, replicaMs, shortMs, changes, turns, points }) => {
    const most = points.reduce((most, { desired }) => Math.max(most, desired), 0);
    const begin = run(rule, samples, startupMs, { endMs: (samples[0]?.timeMs ?? 0) + beginMs });
    const short = [shortMs, begin.shortMs].map((ms) => figure(ms / 1_000));
    return [rule, figure(replicaMs / 3_600_000, 2), ...short, figure(changes), figure(turns), figure(most)];
  });
  return { title, columns: columnsOfDay, rows, notes: [...notes, ...worse(found, lengthMs)] };
}

/** Names each column in which Drover is worse. */
function worse(found: readonly Simulation[], lengthMs: number): readonly string[] {
  const [ours, theirs] = found;
  if (ours === undefined || theirs === undefined) return [];
  const sentences: string[] = [];
  const share = (ms: number) => `${figure((100 * ms) / lengthMs, 2)} %`;
  if (ours.replicaMs > theirs.replicaMs)
    sentences.push(
      `Drover costs ${figure((100 * ours.replicaMs) / theirs.replicaMs - 100, 1)} % more replica-hours: it goes down only to the highest number wanted during the downscale delay, whereas Ray Serve jumps to the last number wanted.`,
    );
  if (ours.shortMs > theirs.shortMs)
    sentences.push(
      `Drover is short of capacity for longer (${share(ours.shortMs)} against ${share(theirs.shortMs)}): it goes up to the lowest number wanted during the upscale delay, whereas Ray Serve jumps to the last number wanted.`,
    );
  if (ours.changes > theirs.changes)
    sentences.push(
      "Drover changes the number more often, in smaller steps: down when the highest number leaves the downscale delay, and up only as far as wanted during the whole upscale delay.",
    );
  return sentences.length === 0 ? ["Drover is not behind in any column."] : sentences;
}

/** A day with three peaks, one sample a second, with noise from a seed. */
function syntheticDay(): readonly TraceSample[] {
  const random = new SeededRandom(20_260_101);
  const hours = quick ? 2 : 24;
  const peaks = [
    { hour: 9, height: 300, width: 1.2 },
    { hour: 13.5, height: 200, width: 0.7 },
    { hour: 20, height: 420, width: 1.6 },
  ];
  let drift = 0;
  return Array.from({ length: hours * 3_600 + 1 }, (_, second) => {
    const hour = second / 3_600;
    const base = peaks.reduce((sum, peak) => sum + peak.height * Math.exp(-(((hour - peak.hour) / peak.width) ** 2)), 40);
    // A tenth of the load as noise that lasts for about a minute, and noise of each second.
    drift = 0.98 * drift + 0.02 * (random.next() - 0.5) * 14;
    const noise = 1 + 0.1 * drift + 0.1 * (random.next() - 0.5);
    return { timeMs: second * 1_000, load: Math.max(0, Math.round(base * noise)) };
  });
}

/** The load of a trace `TIMESTAMP,ContextTokens,GeneratedTokens`. */
function realLoad(path: string): readonly TraceSample[] {
  const columns = { time: "TIMESTAMP", value: "GeneratedTokens", standard: "duration", required: true } as const;
  const rows = parseTrace("trace", readFileSync(path, "utf8"), columns);
  return loadOfArrivals(rows, ({ value = 0 }) => 200 + 30 * value);
}

/** Decisions for a thousand deployments, as one tick makes them, with all windows full. */
function cost(): Section {
  const [deployments, warmTicks, ticks] = quick ? [100, 20, 20] : [1_000, 700, 200];
  const random = new SeededRandom(1);
  const states = Array.from({ length: deployments }, () => firstAutoscaleState(config, 0));
  const targets = states.map(() => 1);
  const tookMs: number[] = [];
  for (let tick = 1; tick <= warmTicks + ticks; tick++) {
    const nowMs = tick * tickMs;
    const loads = states.map((_, index) => Math.round(60 + 40 * Math.sin(tick / 100 + index) + 20 * random.next()));
    const beganMs = performance.now();
    for (const [index, state] of states.entries()) {
      const target = targets[index] ?? 1;
      const seen = { ongoing: loads[index], queued: 0, running: target, target, scheduledMin: 0, startupMs: 10_000 };
      const next = decide(config, seen, state, nowMs);
      states[index] = next.state;
      targets[index] = next.decision.target;
    }
    if (tick > warmTicks) tookMs.push(performance.now() - beganMs);
  }
  const row = [figure(deployments), figure(median(tookMs), 2), figure(quantile(tookMs, 0.99), 2), figure(Math.max(...tookMs), 2)];
  const notes = [`${ticks} ticks, each with a decision for every deployment: the pure function alone, with full windows.`];
  return { title: "Autoscaling: cost of a tick", columns: ["deployments", "p50 ms", "p99 ms", "max ms"], rows: [row], notes };
}

function tracePath(): string | undefined {
  const { values } = parseArgs({ options: { trace: { type: "string" }, quick: { type: "boolean" } } });
  return values.trace ?? process.env.DROVER_TRACE;
}

async function measure(): Promise<readonly Section[]> {
  const path = tracePath();
  if (!path) process.stderr.write("autoscale: no trace of real requests is given; set DROVER_TRACE, or --trace of this file\n");
  return [
    step(),
    compare("Autoscaling: a made-up day", syntheticDay(), 30_000, [
      "A day with peaks of 340, 240 and 460 requests in flight and seeded noise, 10 to a replica, which takes 30 s to start; default settings. Short is the time with more requests in flight than the target of the running replicas.",
    ]),
    ...(path
      ? [
          compare("Autoscaling: a real hour", realLoad(path), 30_000, [
            "An hour of real requests to a language model: the Azure LLM inference trace of 2023 (conversation), Microsoft, CC-BY 4.0; Patel et al., ISCA 2024. A request takes 0.2 s + 0.03 s for each token generated; 10 to a replica, which takes 30 s to start; default settings.",
          ]),
        ]
      : []),
    cost(),
  ];
}

await present(measure);
