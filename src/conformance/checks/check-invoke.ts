import { broken, Ended, expectThat, unchecked } from "../outcome.ts";
import { noInvokeService, type ReplicaUnderTest } from "../replica-under-test.ts";

/** A name that no method has. */
const unknownMethod = "no_such_method_conformance_asks_for";
const sentencesOfInvoke = ["invoke.unknown", "invoke.answers", "invoke.other", "stream.unknown", "stream.results"];
const otherDeployment = "another-deployment";
/**
 * The least time in which a place must be free again; a slower method may need longer to notice
 * that its caller left.
 */
const freeMinMs = 500;
const freeMaxMs = 2_000;

/** Checks calls of methods by name. */
export async function checkInvoke(replica: ReplicaUnderTest): Promise<void> {
  const { talk, checklist, means } = replica;
  if (!replica.invocable) return checklist.skip(sentencesOfInvoke, noInvokeService);
  await checklist.check("invoke.unknown", async () => {
    await replica.refused("Invoke of an unknown method", talk.invoke({ method: unknownMethod, input: undefined }), ["NOT_FOUND"]);
    return undefined;
  });
  await checkStream(replica);
  const { method } = means;
  if (method === undefined) return checklist.skip(["invoke.answers", "invoke.other"], "no --method was given");
  await checklist.check("invoke.answers", async () => {
    await talk.invoke(method).catch(async (error: unknown) => {
      if (means.userConfig === undefined || !replica.controllable) throw error;
      // It may need the config, which Drover sends before the first request.
      const step = { phase: "APPLY", generation: await talk.newGeneration(), userConfig: means.userConfig } as const;
      await talk.reconfigure(step).catch(() => Promise.reject(error));
      await talk.invoke(method);
    });
    return undefined;
  });
  await checklist.check("invoke.other", async () => {
    await replica.refused("Invoke for another deployment", talk.invoke(method, otherDeployment), ["FAILED_PRECONDITION"]);
    return undefined;
  });
}

async function checkStream(replica: ReplicaUnderTest): Promise<void> {
  const { talk, checklist, means } = replica;
  const { streamMethod } = means;
  await checklist.check("stream.unknown", async () => {
    const call = talk.countStream({ method: unknownMethod, input: undefined });
    await replica.refused("InvokeServerStream of an unknown method", call, ["NOT_FOUND"]);
    return undefined;
  });
  await checklist.check("stream.results", async () => {
    if (streamMethod === undefined) return unchecked("no --stream-method was given");
    return (await talk.countStream(streamMethod)) > 0 ? undefined : broken("a result or more", "none");
  });
}

/**
 * Checks requests whose caller leaves. Needs the check of `load.ongoing`, which measures the slow
 * method.
 */
export async function checkCancellation(replica: ReplicaUnderTest): Promise<void> {
  const { talk, checklist } = replica;
  let before = { completed: 0, failed: 0 };
  await checklist.check("cancel.frees", async () => {
    if (!checklist.held("load.ongoing")) return unchecked(replica.whyNotHeld ?? "ongoing_requests does not count what is in work");
    const held = replica.hold();
    await replica.begun(1);
    replica.requireInWork([held]);
    before = await talk.load();
    held.leave();
    await held.ended;
    const withinMs = Math.min(Math.max(freeMinMs, replica.slowMs / 2), freeMaxMs);
    const { reached, last } = await talk.loadUntil(({ ongoing }) => ongoing === 0, withinMs);
    if (!reached) await replica.idle(); // or it would disturb the next checks
    return reached
      ? undefined
      : broken(`0 ongoing within ${Math.round(withinMs)} ms after its caller left`, `${last}: it goes on without its caller`);
  });
  await checklist.check("load.failed", async () => {
    if (!checklist.held("cancel.frees")) throw new Ended(unchecked(replica.whyNotHeld ?? "no request ended because its caller left"));
    const { completed, failed } = await talk.load();
    const counts = `${before.completed} completed, ${before.failed + 1} failed`;
    expectThat(completed === before.completed && failed === before.failed + 1, counts, `${completed} completed, ${failed} failed`);
    return undefined;
  });
}
