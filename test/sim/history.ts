import type { FaultCounts } from "./faults.ts";
import { Mishaps } from "./mishaps.ts";
import { Operators } from "./operators.ts";
import { checkWaiting, sendRequests } from "./requests.ts";
import { settles } from "./settles.ts";
import type { Sabotage } from "./simulated-controller.ts";
import { SimulatedWorld } from "./simulated-world.ts";
import type { Alarm } from "./witness.ts";

export interface HistoryOptions {
  readonly sabotage?: Sabotage;
  /** Gets a line for all that is written, done and goes wrong. */
  readonly trace?: (line: string) => void;
  /** Whether somebody sets the wall clock now and then. Default: yes. */
  readonly steps?: boolean;
  /** Whether deployments may have schedules, which follow the wall clock. Default: yes. */
  readonly schedules?: boolean;
}

/** How a history went. */
export interface History {
  readonly seed: number;
  readonly alarm: Alarm | undefined;
  readonly faults: FaultCounts;
  /** How many mutations were written. */
  readonly writes: number;
  /** What controllers decided and did, each with its moment. */
  readonly decided: readonly string[];
}

const stepsMin = 20;
const stepsMax = 36;

/** One life of the whole system under one seed: steps in which anything may happen, then rest, in which all must come right. */
export async function runHistory(
  seed: number,
  { sabotage = {}, trace = () => {}, steps = true, schedules = true }: HistoryOptions = {},
): Promise<History> {
  const world = new SimulatedWorld(seed, sabotage, trace, { steps, schedules });
  const { clock, random, witness } = world;
  const operators = await Operators.open(world);
  const mishaps = new Mishaps(world);
  world.amid = () => operators.wish();
  await world.startController();
  const length = random.whole(stepsMin, stepsMax);
  for (let step = 0; step < length && witness.alarm === undefined; step++) {
    await operators.insist();
    if (random.chance(0.4)) await operators.wish();
    sendRequests(world);
    await mishaps.throwAll();
    await clock.pass(random.pick([1, 30, 200, 1_000, 1_000, 4_000]));
    checkWaiting(world);
  }
  await mishaps.end();
  if (witness.alarm === undefined) witness.raise(await settles(world, operators));
  checkWaiting(world);
  if (witness.alarm === undefined) for (const { id, mirror } of world.controllers) witness.compare(id, mirror);
  if (witness.alarm === undefined) for (const controller of world.controllers) await controller.sweepBundles();
  for (const controller of world.controllers) world.endController(controller, "kill");
  void operators.close();
  // What weak references point at is kept until the end of a turn of the event loop, and a history has none.
  await new Promise((done) => setImmediate(done));
  return { seed, alarm: witness.alarm, faults: world.faults.counts, writes: witness.ledger.position, decided: witness.decided };
}
