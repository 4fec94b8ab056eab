import { createServer } from "node:net";
import { StatusError } from "../../core/errors.ts";
import { endingInWords } from "../../core/words/ending-words.ts";
import { type LoneAssignment, type LoneReplica, startLoneReplica } from "../../engine/local/lone-replica.ts";
import { type Checklist, textOf } from "../checklist.ts";
import { broken, Ended, expectThat, type Outcome, unchecked } from "../outcome.ts";
import type { ReplicaUnderTest } from "../replica-under-test.ts";
import { Talk } from "../talk.ts";
import type { Testbed } from "../testbed.ts";

/** The longest that a process may take to end after SIGTERM. */
const stopMs = 5_000;

export interface StartOptions {
  /** The longest that a start may take. */
  readonly timeoutMs: number;
  readonly testbed: Testbed;
  readonly signal: AbortSignal;
}

/** Starts the program and waits until it listens. Returns its process, if there is one. */
export async function checkStart(checklist: Checklist, program: LoneAssignment, options: StartOptions): Promise<LoneReplica | undefined> {
  let process: LoneReplica | undefined;
  try {
    await checklist.check("start.listens", async () => {
      process = await started(program, options);
      void process.ended.then((end) => checklist.end(endingInWords(end)));
      await listening(process.address, options, process);
      return undefined;
    });
  } catch (error) {
    await process?.remove();
    throw error;
  }
  return process;
}

/**
 * Checks that a replica which runs already can be reached: nothing else is known about its start.
 */
export async function checkReachable(
  checklist: Checklist,
  address: string,
  options: Pick<StartOptions, "timeoutMs" | "signal">,
): Promise<boolean> {
  await checklist.check("start.listens", async () => {
    await listening(address, options);
    return unchecked(runsAlready);
  });
  return checklist.outcomes.get("start.listens")?.kind !== "broken";
}

export const runsAlready = "the replica runs already";

async function started(program: LoneAssignment, { testbed }: StartOptions): Promise<LoneReplica> {
  return startLoneReplica(program, testbed).catch((error: unknown) => {
    throw new Ended(broken("the program starts", textOf(error)));
  });
}

/** Ends the check unless something listens at the address in time, and before `process` ends. */
async function listening(
  address: string,
  { timeoutMs, signal }: Pick<StartOptions, "timeoutMs" | "signal">,
  process?: LoneReplica,
): Promise<void> {
  const over = new AbortController();
  void process?.ended.then((end) => over.abort(new StatusError("UNAVAILABLE", `the process ended: ${endingInWords(end)}`)));
  const talk = new Talk(address, { token: "", epoch: 0n, methodMs: timeoutMs, signal });
  try {
    await talk.channel.ready(timeoutMs, AbortSignal.any([signal, over.signal]));
  } catch (error) {
    throw new Ended(broken(`something listens at ${address} within ${timeoutMs / 1_000} s`, (error as Error).message));
  } finally {
    talk.close();
  }
}

/** Starts another process of the program, and ends it without a Drain. */
export async function checkSecond(checklist: Checklist, program: LoneAssignment, options: StartOptions): Promise<void> {
  const second = { ...program, replicaId: `${program.replicaId}-second` };
  let process: LoneReplica | undefined;
  try {
    await checklist.check("start.beside", async () => {
      process = await started(second, options);
      await answering(process, second, options);
      return undefined;
    });
    await checklist.check("stop.undrained", async () => {
      if (process === undefined || !checklist.held("start.beside")) return unchecked("there was no second process");
      return stopped(process, options.testbed);
    });
  } finally {
    await process?.remove();
  }
}

/** Starts the program once more, at a port. */
export async function checkTcp(
  checklist: Checklist,
  { program, tcp }: { readonly program: LoneAssignment; readonly tcp: boolean },
  options: StartOptions,
): Promise<void> {
  if (!tcp) return checklist.skip(["start.tcp"], "--tcp was not given");
  const third = { ...program, replicaId: `${program.replicaId}-tcp`, address: `127.0.0.1:${await freePort()}` };
  let process: LoneReplica | undefined;
  try {
    await checklist.check("start.tcp", async () => {
      process = await started(third, options);
      await answering(process, third, options);
      return undefined;
    });
  } finally {
    await process?.remove();
  }
}

/** Ends the check unless the process listens, and GetInfo, if it serves that, has the right id. */
async function answering(process: LoneReplica, { replicaId }: LoneAssignment, options: StartOptions): Promise<void> {
  await listening(process.address, options, process);
  const talk = new Talk(process.address, { token: "", epoch: 0n, methodMs: options.timeoutMs, signal: options.signal });
  try {
    const id = await talk.info().then(
      (info) => info.replicaId,
      (error: unknown) => {
        if (error instanceof StatusError && error.code === "UNIMPLEMENTED") return replicaId;
        throw error;
      },
    );
    expectThat(id === replicaId, `GetInfo: ${replicaId}`, id);
  } finally {
    talk.close();
  }
}

/** Ends the first process, which has drained by now if it can. */
export async function checkStop({ checklist, testbed }: ReplicaUnderTest, process: LoneReplica): Promise<void> {
  const { gone } = checklist;
  await checklist.check("stop.drained", async () => stopped(process, testbed));
  checklist.outcomes.set("start.stays", gone === undefined ? { kind: "holds" } : broken("a process that runs", `it ended: ${gone}`));
}

async function stopped(process: LoneReplica, testbed: Pick<Testbed, "sleep">): Promise<Outcome | undefined> {
  const over = new AbortController();
  process.terminate();
  const end = await Promise.race([process.ended, testbed.sleep(stopMs, over.signal).then(() => undefined)]);
  over.abort();
  if (end === undefined) return broken(`exit code 0 within ${stopMs / 1_000} s`, "it runs on");
  return end.kind === "exit" && end.code === 0 ? undefined : broken("exit code 0", endingInWords(end));
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
