// Runs many histories: node test/sim/run.ts --seeds 20000 [--from 1]. Ends with 1, and the seed, where a rule was broken.
// With --twins it runs each of them with and without steps of the wall clock, and compares what was decided.
import { parseArgs } from "node:util";
import { type FaultKind, noFaults } from "./faults.ts";
import { runHistory } from "./history.ts";
import { runTwins } from "./twins.ts";

const progressEvery = 500;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    from: { type: "string", default: "1" },
    trace: { type: "boolean", default: false },
    twins: { type: "boolean", default: false },
  },
});
const first = Number(values.from);
const seeds = Number(values.seeds);
if (!Number.isInteger(first) || !Number.isInteger(seeds) || seeds < 1) {
  console.error("usage: run.ts [--seeds <number of histories>] [--from <first seed>] [--twins] [--trace]");
  process.exit(2);
}

const counts = noFaults();
const broken: number[] = [];
let writes = 0;
const beganMs = performance.now();
const tookS = () => ((performance.now() - beganMs) / 1_000).toFixed(1);
for (let seed = first; seed < first + seeds; seed++) {
  const run = values.twins ? runTwins : runHistory;
  const history = await run(seed, values.trace ? { trace: console.log } : {});
  writes += history.writes;
  for (const kind of Object.keys(counts) as FaultKind[]) counts[kind] += history.faults[kind];
  if (history.alarm !== undefined) {
    broken.push(seed);
    console.error(`seed ${seed}: ${history.alarm.invariant}: ${history.alarm.text}`);
  }
  const done = seed - first + 1;
  if (done % progressEvery === 0) console.log(`${done} of ${seeds} histories in ${tookS()} s`);
}
console.log(`${seeds} histories, ${writes} writes, ${tookS()} s`);
for (const [kind, count] of Object.entries(counts)) console.log(`${String(count).padStart(9)}  ${kind}`);
if (broken.length > 0) {
  console.error(
    `${broken.length} broke a rule; to see one: node test/sim/run.ts ${values.twins ? "--twins " : ""}--from ${broken[0]} --seeds 1 --trace`,
  );
  process.exit(1);
}
