// Runs a real controller through operations by dice, and demands that it ends where it began:
//   npm run soak -- [--minutes 30] [--seed N] [--every SECONDS]
// Writes what is used as a table. Ends with 0; or with 1, where something was left or a call failed
// as no call may.
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { until } from "../e2e/drover.ts";
import { SeededRandom } from "../sim/seeded-random.ts";
import { drawn, Tally } from "./operations.ts";
import { type Usage, usageOf } from "./usage.ts";
import { World } from "./world.ts";

/** Operations under way at a time. */
const hands = 3;
/** The longest pause between two operations of a hand, milliseconds. */
const pauseMsMax = 300;
/** How long what was used may take to be given back. */
const restMs = 120_000;
/**
 * By how much memory may have grown, bytes. Redis keeps 32 MiB of changes, and the controller as
 * much of them for watches; the rest is what an allocator keeps.
 */
const growthMax = { controllerBytes: 128 << 20, redisBytes: 96 << 20, dataBytes: 64 << 20 };
/** What is as it was, exactly. */
const sameAsBefore = ["files", "processes", "folders"] as const;
const columns = ["controller MiB", "Redis MiB", "data MiB", "keys", "files", "processes", "folders", "logs MiB"];

const options = readOptions();
console.log(`soak of ${options.minutes} min, seed ${options.seed}`);
const world = await World.open(new SeededRandom(options.seed));
const tally = new Tally();
try {
  // Some keys and files appear with the first deployment and its first large config, and stay.
  await tally.run("deploy", world, "first");
  await world.drover.settled("first");
  for (const name of ["reconfigure, 300 KB", "invoke", "watch"]) await tally.run(name, world, "first");
  await world.empty();
  const began = await usageAtRest();
  console.log(["", ...columns].map((text) => text.padStart(15)).join(""));
  writeRow("began", began);
  await soak();
  await world.empty();
  const ended = await rested(began);
  writeRow("ended", ended);
  for (const line of tally.lines) console.log(line);
  const problems = [...tally.faults, ...differences(began, ended)];
  for (const problem of problems) console.error(`soak: ${problem}`);
  console.log(problems.length === 0 ? "it ended where it began" : `repeat with --seed ${options.seed}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await world.close();
}

async function soak(): Promise<void> {
  const over = AbortSignal.any([AbortSignal.timeout(options.minutes * 60_000), interrupted()]);
  const draws = drawn(world);
  const hand = async () => {
    while (!over.aborted) {
      await world.settled();
      await tally.run(draws.next().value, world);
      await sleep(world.random.whole(0, pauseMsMax));
    }
  };
  const rows = async () => {
    const beganMs = performance.now();
    for (;;) {
      await sleep(options.everySeconds * 1_000, undefined, { signal: over }).catch(() => undefined);
      if (over.aborted) return;
      await world.settled();
      // A controller that ends while it is looked at has no usage.
      const usage = await usageOf(world.drover).catch(() => undefined);
      if (usage !== undefined) writeRow(`${Math.round((performance.now() - beganMs) / 1_000)} s`, usage);
    }
  };
  await Promise.all([rows(), ...Array.from({ length: hands }, hand)]);
}

/** What is used once that is no more than at the beginning, or after a while. */
async function rested(began: Usage): Promise<Usage> {
  const same = async () => differences(began, await usageAtRest()).length === 0;
  await until("all is given back", same, restMs).catch(() => undefined);
  return usageAtRest();
}

/** What is used while each connection of the soak is open, and nothing else. */
async function usageAtRest(): Promise<Usage> {
  for (const name of ["label", "invoke", "stream"]) await tally.run(name, world);
  return usageOf(world.drover);
}

function differences(began: Usage, ended: Usage): readonly string[] {
  const grown = Object.entries(growthMax).flatMap(([name, max]) => {
    const by = ended[name as keyof typeof growthMax] - began[name as keyof typeof growthMax];
    return by > max ? [`${name} grew by ${mib(by)} MiB; ${mib(max)} MiB are allowed`] : [];
  });
  const other = sameAsBefore.flatMap((name) =>
    ended[name] === began[name] ? [] : [`${name}: ${began[name]} before, ${ended[name]} after`],
  );
  const [before, after] = [began.keys.join(" "), ended.keys.join(" ")];
  return [...grown, ...other, ...(after === before ? [] : [`keys: ${before} before, ${after} after`])];
}

function writeRow(name: string, usage: Usage): void {
  const { controllerBytes, redisBytes, dataBytes, keys, files, processes, folders, logBytes } = usage;
  const cells = [name, mib(controllerBytes), mib(redisBytes), mib(dataBytes), keys.length, files, processes, folders, mib(logBytes)];
  console.log(cells.map((cell) => String(cell).padStart(15)).join(""));
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

/** Aborts at Ctrl-C: the soak then ends early, and cleans up. */
function interrupted(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort());
  return controller.signal;
}

function readOptions() {
  const { values } = parseArgs({ options: { minutes: { type: "string" }, seed: { type: "string" }, every: { type: "string" } } });
  const { minutes, seed, everySeconds } = {
    minutes: Number(values.minutes ?? 30),
    seed: Number(values.seed ?? Date.now() % 2 ** 31),
    everySeconds: Number(values.every ?? 30),
  };
  if (minutes > 0 && everySeconds > 0 && Number.isInteger(seed)) return { minutes, seed, everySeconds };
  console.error("usage: npm run soak -- [--minutes NUMBER] [--seed INTEGER] [--every SECONDS]");
  process.exit(2);
}
