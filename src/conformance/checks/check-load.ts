import { StatusError } from "../../core/errors.ts";
import { broken, Ended, expectThat, unchecked } from "../outcome.ts";
import { noInvokeService, type ReplicaUnderTest } from "../replica-under-test.ts";
import type { ReportedLoad } from "../talk.ts";

/** The first report must come within this, whatever the interval. */
const firstMs = 2_000;
const longIntervalMs = 30_000;
/**
 * Several reports at a short interval: at about that interval, and within a time that a busy
 * machine can keep, too.
 */
const shortIntervalMs = 100;
const reportsWanted = 4;
const reportsMinMs = 200;
const reportsMaxMs = 5_000;
/** How long a change may take to show in a report. */
const showMs = 2_000;
const healthChecks = 5;

/** Checks what `WatchLoad` reports, with requests in work and with calls that do not count. */
export async function checkLoad(replica: ReplicaUnderTest): Promise<void> {
  const { talk, checklist, means } = replica;
  await checklist.check("load.first", async () => {
    for await (const _ of untilLate(talk.reports(longIntervalMs, firstMs))) return undefined;
    return broken(`a report within ${firstMs} ms at an interval of ${longIntervalMs / 1_000} s`, "none");
  });
  await checklist.check("load.interval", () => checkInterval(replica));
  await checklist.check("load.ongoing", () => checkOngoing(replica));
  await checklist.check("load.completed", async () => {
    if (!replica.invocable) throw new Ended(unchecked(noInvokeService));
    const call = means.method ?? (replica.whyNotHeld === undefined ? means.slowMethod : undefined);
    if (call === undefined || checklist.outcomes.get("invoke.answers")?.kind === "broken")
      throw new Ended(unchecked("no method answers that was given"));
    const before = await talk.load();
    const times = means.method === undefined ? 1 : 3;
    for (let time = 0; time < times; time++) await talk.invoke(call);
    const { reached, last } = await talk.loadUntil(({ completed }) => completed === before.completed + times, showMs);
    return reached ? undefined : broken(`${before.completed + times} completed after ${times} more`, last);
  });
  await checklist.check("load.others", () => checkOthers(replica));
}

/** The reports until the deadline of their stream, which is no error here. */
async function* untilLate(reports: AsyncGenerator<ReportedLoad, void>): AsyncGenerator<ReportedLoad, void> {
  try {
    yield* reports;
  } catch (error) {
    if (!(error instanceof StatusError && error.code === "DEADLINE_EXCEEDED")) throw error;
  }
}

async function checkInterval({ talk, nowMs }: ReplicaUnderTest): Promise<undefined> {
  const expected = `${reportsWanted} reports at an interval of ${shortIntervalMs} ms`;
  const beganMs = nowMs();
  let count = 0;
  for await (const _ of untilLate(talk.reports(shortIntervalMs, reportsMaxMs))) if (++count === reportsWanted) break;
  const tookMs = nowMs() - beganMs;
  expectThat(count === reportsWanted, expected, `${count} in ${tookMs} ms`);
  expectThat(tookMs >= reportsMinMs, expected, `${count} in ${tookMs} ms`);
}

/** Calls the slow method for the first time, and so finds out whether it can hold a place. */
async function checkOngoing(replica: ReplicaUnderTest): Promise<undefined> {
  const { talk } = replica;
  const held = replica.hold();
  const during = await talk.loadUntil(({ ongoing }) => ongoing === 1 || held.end !== undefined, showMs);
  const counted = during.reached && held.end === undefined;
  await held.ended;
  replica.learnSlow(held);
  if (replica.whyNotHeld !== undefined) throw new Ended(unchecked(replica.whyNotHeld));
  expectThat(counted, "1 ongoing while one request is in work", during.last);
  const after = await talk.loadUntil(({ ongoing }) => ongoing === 0, showMs);
  expectThat(after.reached, "0 ongoing when it has ended", after.last);
}

async function checkOthers({ talk }: ReplicaUnderTest): Promise<undefined> {
  const before = await talk.load();
  const watching = new AbortController();
  const watch = talk.watchHealth(watching.signal);
  try {
    for (let time = 0; time < healthChecks; time++) await talk.checkHealth().catch(ignoreStatus);
    const generation = await talk.newGeneration();
    await talk.reconfigure({ phase: "PREPARE", generation }).catch(ignoreStatus);
    if (talk.token !== "") await talk.reconfigure({ phase: "PREPARE", generation, token: "" }).catch(ignoreStatus);
    const unchanged = ({ ongoing, completed, failed }: ReportedLoad) =>
      ongoing === before.ongoing && completed === before.completed && failed === before.failed;
    const { reached, last } = await talk.loadUntil(unchanged, showMs);
    expectThat(reached, `${before.ongoing} ongoing, ${before.completed} completed, ${before.failed} failed as before them`, last);
  } finally {
    watching.abort();
    await watch;
  }
}

/** Other sentences check what they answer. */
function ignoreStatus(error: unknown): void {
  if (!(error instanceof StatusError)) throw error;
}
