import { StatusError } from "../../core/errors.ts";
import type { HeldRequest } from "../held-request.ts";
import { broken, Ended, expectThat, unchecked } from "../outcome.ts";
import type { ReplicaUnderTest } from "../replica-under-test.ts";

/** Long enough for a wrong count to show. */
const countMs = 200;
const noneRefused = "no request was refused above it";

/** Checks a replica with as many requests in work as it may have. */
export async function checkBusy(replica: ReplicaUnderTest): Promise<void> {
  const { checklist, means } = replica;
  const ids = ["busy.refused", "busy.uncounted", "busy.others", "busy.changed"];
  if (replica.whyNotHeld !== undefined) return checklist.skip(ids, replica.whyNotHeld);
  const held = await occupy(replica, means.ongoingMax);
  try {
    await checkFull(replica, held);
  } finally {
    await letGo(replica, held);
  }
  await checklist.check("busy.changed", async () => {
    if (!checklist.held("busy.refused")) throw new Ended(unchecked(noneRefused));
    await checkChanged(replica);
    return undefined;
  });
}

async function occupy(replica: ReplicaUnderTest, count: number): Promise<readonly HeldRequest[]> {
  const held = Array.from({ length: count }, () => replica.hold());
  await replica.begun(count);
  return held;
}

async function letGo(replica: ReplicaUnderTest, held: readonly HeldRequest[]): Promise<void> {
  for (const one of held) one.leave();
  await Promise.all(held.map(({ ended }) => ended));
  await replica.idle();
}

async function checkFull(replica: ReplicaUnderTest, held: readonly HeldRequest[]): Promise<void> {
  const { talk, checklist, means } = replica;
  const before = await talk.load();
  await checklist.check("busy.refused", async () => {
    const tooEarly = held.find(({ end }) => end?.error?.code === "RESOURCE_EXHAUSTED");
    expectThat(tooEarly === undefined, `${means.ongoingMax} requests at a time`, `one of them: ${tooEarly?.text}`);
    await expectBusy(replica, held, "a request above max_ongoing_requests");
    return undefined;
  });
  await checklist.check("busy.uncounted", async () => {
    if (!checklist.held("busy.refused")) return unchecked(noneRefused);
    const { reached, last } = await talk.loadUntil(
      ({ completed, failed }) => completed > before.completed || failed > before.failed,
      countMs,
    );
    replica.requireInWork(held);
    return reached ? broken(`${before.completed} completed, ${before.failed} failed as before it`, last) : undefined;
  });
  await checklist.check("busy.others", async () => {
    await talk.checkHealth().catch(expectNotRefused("Health/Check"));
    const generation = await talk.newGeneration().catch(expectNotRefused("GetInfo"));
    await talk.reconfigure({ phase: "PREPARE", generation: generation ?? 1 }).catch(expectNotRefused("Reconfigure"));
    replica.requireInWork(held);
    return undefined;
  });
}

/**
 * One request more than those in work is refused, with the trailer that says that it never began.
 */
async function expectBusy(replica: ReplicaUnderTest, held: readonly HeldRequest[], what: string): Promise<void> {
  const more = replica.hold();
  await replica.refusedOrTaken(more);
  const { end, saysRefused, text } = more;
  if (end === undefined || end.error === undefined) await letGoOne(more);
  replica.requireInWork(held);
  const expected = `${what}: RESOURCE_EXHAUSTED with the trailer drover-refused`;
  expectThat(end?.error?.code === "RESOURCE_EXHAUSTED", expected, text);
  expectThat(saysRefused, expected, `${text}, without the trailer`);
  replica.checklist.refusals.push({ what, hasReason: end?.error?.reason !== undefined });
}

async function letGoOne(held: HeldRequest): Promise<void> {
  held.leave();
  await held.ended;
}

/** Any answer but a refusal for lack of a place: other sentences check the answers themselves. */
function expectNotRefused(what: string): (error: unknown) => undefined {
  return (error) => {
    if (!(error instanceof StatusError)) throw error;
    const busy = error.code === "RESOURCE_EXHAUSTED" || error.code === "UNAVAILABLE" || error.code === "DEADLINE_EXCEEDED";
    expectThat(!busy, `${what} is answered`, `${error.code}: ${error.message}`);
    return undefined;
  };
}

async function checkChanged(replica: ReplicaUnderTest): Promise<void> {
  const { talk, checklist, means } = replica;
  const userConfig = checklist.held("config.apply") ? means.userConfig : undefined;
  const bound = means.ongoingMax === 1 ? 2 : means.ongoingMax - 1;
  const limit = async (ongoingMax: number) =>
    talk.reconfigure({ phase: "APPLY", generation: await talk.newGeneration(), userConfig, ongoingMax });
  await limit(bound);
  const held = await occupy(replica, bound);
  try {
    expectThat(
      held.every(({ end }) => end === undefined),
      `${bound} at a time`,
      held.find(({ end }) => end)?.text ?? "",
    );
    await expectBusy(replica, held, `a request above max_ongoing_requests, changed to ${bound}`);
  } finally {
    await letGo(replica, held);
    await limit(means.ongoingMax);
  }
}
