import { HeldRequest } from "../held-request.ts";
import { broken, Ended, expectThat, type Outcome, unchecked } from "../outcome.ts";
import { noInvokeService, noSlowMethod, type ReplicaUnderTest } from "../replica-under-test.ts";

/** The longest that an answer may take that waits for nothing. */
const onceMs = 1_000;
/** Longer than any request in work here. */
const graceMs = 60_000;
/** A request's answer and that of the Drain that waited for it may come in either order. */
const apartMs = 300;
/** An answer that took longer waited for something. */
const noticeMs = 300;

/**
 * Checks Drain, with a request in work if there is a slow method. A replica cannot go back from it.
 */
export async function checkDrain(replica: ReplicaUnderTest): Promise<void> {
  const { talk, checklist } = replica;
  const held = replica.whyNotHeld === undefined ? replica.hold() : undefined;
  if (held !== undefined) await replica.begun(1);
  await checklist.check("drain.token", () => checkToken(replica));
  await checklist.check("drain.epoch", async () => {
    // Every Reconfigure before had a higher epoch.
    await replica.refused("Drain of a lower epoch", talk.drain(0, { epoch: talk.epoch - 1n }), ["FAILED_PRECONDITION"]);
    return undefined;
  });
  if (held === undefined) checklist.skip(["drain.once", "drain.waits", "drain.finishes"], replica.whyNotHeld ?? noSlowMethod);
  else await checkInWork(replica, held);
  await checklist.check("drain.idle", () => checkIdle(replica));
  await checklist.check("drain.refuses", () => checkRefuses(replica));
  await checklist.check("drain.health", async () => {
    await talk.checkHealth(); // any status will do
    return undefined;
  });
}

async function checkToken(replica: ReplicaUnderTest): Promise<undefined> {
  const { talk } = replica;
  if (talk.token === "") throw new Ended(unchecked("the replica has no token"));
  const codes = ["PERMISSION_DENIED", "UNAUTHENTICATED"] as const;
  await replica.refused("Drain without a token", talk.drain(0, { token: "" }), codes);
  await replica.refused("Drain with a wrong token", talk.drain(0, { token: `${talk.token}x` }), codes);
}

async function checkInWork(replica: ReplicaUnderTest, held: HeldRequest): Promise<void> {
  const { talk, checklist, testbed, nowMs } = replica;
  await checklist.check("drain.once", async () => {
    replica.requireInWork([held]);
    const beganMs = nowMs();
    const left = await talk.drain(0);
    const tookMs = nowMs() - beganMs;
    const waited = held.end !== undefined && tookMs > noticeMs;
    expectThat(!waited, "an answer at once", `one after ${tookMs} ms, when the request in work had ended`);
    replica.requireInWork([held]);
    expectThat(tookMs <= onceMs && left === 1, `1 left, within ${onceMs} ms`, `${left} left after ${tookMs} ms`);
    return undefined;
  });
  await checklist.check("drain.waits", async () => {
    replica.requireInWork([held]);
    const left = await talk.drain(graceMs);
    expectThat(left === 0, "0 left", `${left} left, before the grace period was over`);
    const over = new AbortController();
    await Promise.race([held.ended, testbed.sleep(apartMs, over.signal)]);
    over.abort();
    expectThat(held.end !== undefined, "an answer when the request in work has ended", "one while it was still in work");
    return undefined;
  });
  await checklist.check("drain.finishes", async () => {
    const { error } = await held.ended;
    return error === undefined ? undefined : broken("OK", held.text);
  });
}

async function checkIdle({ talk, nowMs }: ReplicaUnderTest): Promise<undefined> {
  for (const which of ["a Drain", "the next"]) {
    const beganMs = nowMs();
    const left = await talk.drain(graceMs);
    const tookMs = nowMs() - beganMs;
    expectThat(left === 0 && tookMs <= onceMs, `${which}: 0 left, within ${onceMs} ms`, `${left} left after ${tookMs} ms`);
  }
}

async function checkRefuses(replica: ReplicaUnderTest): Promise<Outcome | undefined> {
  const { talk, means } = replica;
  if (!replica.invocable) return unchecked(noInvokeService);
  const call = means.method ?? means.slowMethod;
  if (call === undefined) return unchecked("no --method was given");
  const held = new HeldRequest(talk, call, replica.nowMs);
  await replica.refused("a request while it drains", held.result, ["UNAVAILABLE"]);
  return held.saysRefused ? undefined : broken("UNAVAILABLE with the trailer drover-refused", `${held.text}, without the trailer`);
}
