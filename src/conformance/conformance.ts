import { StatusError } from "../core/errors.ts";
import type { LoneAssignment, LoneReplica } from "../engine/local/lone-replica.ts";
import { Checklist } from "./checklist.ts";
import { checkBusy } from "./checks/check-busy.ts";
import { checkConfig, checkRefusals } from "./checks/check-config.ts";
import { checkDrain } from "./checks/check-drain.ts";
import { checkCancellation, checkInvoke } from "./checks/check-invoke.ts";
import { checkLoad } from "./checks/check-load.ts";
import { checkReachable, checkSecond, checkStart, checkStop, checkTcp, runsAlready } from "./checks/check-process.ts";
import { checkHealth, checkServices, noReplicaService } from "./checks/check-services.ts";
import { broken, expectThat, type Outcome, type SentenceVerdict, verdictsOf } from "./outcome.ts";
import { type Means, ReplicaUnderTest } from "./replica-under-test.ts";
import { Talk } from "./talk.ts";
import type { Testbed } from "./testbed.ts";

/** What to check: a program, or a replica that runs already. */
export type Target =
  | { readonly kind: "program"; readonly program: LoneAssignment; readonly tcp: boolean }
  | { readonly kind: "address"; readonly address: string; readonly token: string };

export interface ConformanceOptions {
  readonly target: Target;
  readonly means: Means;
  /** The longest that a start or a method may take. */
  readonly timeoutMs: number;
  readonly testbed: Testbed;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

export interface ConformanceFindings {
  readonly verdicts: readonly SentenceVerdict[];
  /** The last lines of the program's standard error, where it did not start or ended by itself. */
  readonly stderr: readonly string[];
  /** The error that kept the check from its end, where no sentence has it. */
  readonly trouble?: string | undefined;
}

/** The most lines of a program's output that are shown. */
const errorLinesMax = 20;
/** How long after its connections broke the end of a process is known. */
const endKnownMs = 200;
/** The longest that the connection to a replica may take that runs already. */
const reachMs = 5_000;

/** Checks one replica against every sentence of the contract. Rejects only when interrupted. */
export async function checkConformance(options: ConformanceOptions): Promise<ConformanceFindings> {
  const { target, testbed, signal } = options;
  const checklist = new Checklist(signal, () => testbed.sleep(endKnownMs, signal));
  if (target.kind === "address") {
    if (!(await checkReachable(checklist, target.address, { timeoutMs: reachMs, signal }))) {
      return { verdicts: verdictsOf(checklist.outcomes, "nothing listens at the address"), stderr: [] };
    }
    checklist.skip(["start.tcp", "start.beside", "start.stays", "stop.drained", "stop.undrained"], runsAlready);
    checklist.skip(["info.identity", "info.generation"], "what a replica that runs already was started with is not known");
    await checkReplicaAt(options, checklist, target.address, target.token);
    return { verdicts: verdictsOf(checklist.outcomes, checklist.why), stderr: [], trouble: checklist.trouble };
  }
  const process = await checkStart(checklist, target.program, options);
  if (process === undefined) return { verdicts: verdictsOf(checklist.outcomes, "the program does not start"), stderr: [] };
  try {
    const listens = checklist.held("start.listens");
    if (listens) await checkReplicaAt(options, checklist, process.address, target.program.token, process);
    const gone = checklist.gone;
    const stderr = gone !== undefined || !listens ? await process.lastErrors(errorLinesMax) : [];
    return {
      verdicts: verdictsOf(checklist.outcomes, listens ? checklist.why : "the program does not listen"),
      stderr,
      trouble: checklist.trouble,
    };
  } finally {
    await process.remove();
  }
}

async function checkReplicaAt(
  { target, means, timeoutMs, testbed, nowMs, signal }: ConformanceOptions,
  checklist: Checklist,
  address: string,
  token: string,
  process?: LoneReplica,
): Promise<void> {
  // A time is higher than the epoch of any leader before.
  const talk = new Talk(address, { token, epoch: BigInt(nowMs()), methodMs: timeoutMs, signal });
  const replica = new ReplicaUnderTest({ talk, checklist, means, testbed, nowMs });
  const program = target.kind === "program" ? target.program : undefined;
  const others = async () => {
    if (target.kind === "address") return;
    await checkSecond(checklist, target.program, { timeoutMs, testbed, signal });
    await checkTcp(checklist, target, { timeoutMs, testbed, signal });
  };
  try {
    await checklist.part(() => checkHealth(replica, timeoutMs));
    const named = await checkInfo(replica, program);
    await checklist.part(() => checkServices(replica, named));
    if (named === undefined) {
      await checklist.part(() => checkInvoke(replica));
      await checklist.check("errors.info", async () => reasonsOutcome(checklist));
      await others();
      checklist.skip(replicaServiceSentences(checklist), noReplicaService);
    } else await checkReplicaService(replica, others);
    if (process !== undefined) await checkStop(replica, process);
  } finally {
    talk.close();
  }
}

/** The sentences that only a program with ReplicaService can be checked for. */
function replicaServiceSentences({ outcomes, why }: Checklist): readonly string[] {
  const ofTheProcess = ["stop.drained", "start.stays"];
  return verdictsOf(outcomes, why).flatMap(({ sentence: { id } }) => (ofTheProcess.includes(id) ? [] : [id]));
}

/** Drain comes last: a replica cannot go back from it. */
async function checkReplicaService(replica: ReplicaUnderTest, others: () => Promise<void>): Promise<void> {
  const { checklist } = replica;
  await checklist.part(() => checkInvoke(replica));
  await checklist.part(() => checkLoad(replica));
  await checklist.part(() => checkCancellation(replica));
  await checklist.part(() => checkConfig(replica));
  await checklist.part(() => checkBusy(replica));
  await checklist.part(() => checkRefusals(replica));
  await checklist.part(others);
  await checklist.part(() => checkDrain(replica));
  await checklist.check("errors.info", async () => reasonsOutcome(checklist));
}

/**
 * Returns the services that GetInfo names; undefined: the program does not serve ReplicaService.
 */
async function checkInfo(
  { talk, checklist }: ReplicaUnderTest,
  program: LoneAssignment | undefined,
): Promise<readonly string[] | undefined> {
  let info: Awaited<ReturnType<Talk["info"]>>;
  try {
    info = await talk.info();
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    if (error.code === "UNIMPLEMENTED") return undefined;
    await checklist.check("info.identity", () => Promise.reject(error));
    return [];
  }
  if (program === undefined) return info.services;
  await checklist.check("info.identity", async () => {
    const expected = `${program.replicaId}, ${program.deployment}, revision ${program.revision}`;
    const came = `${info.replicaId}, ${info.deployment}, revision ${info.revision}`;
    expectThat(came === expected, expected, came);
    return undefined;
  });
  await checklist.check("info.generation", async () =>
    info.configGeneration === 0n ? undefined : broken("config_generation 0", String(info.configGeneration)),
  );
  return info.services;
}

function reasonsOutcome({ refusals }: Checklist): Outcome | undefined {
  if (refusals.length === 0) return { kind: "unchecked", why: "nothing was refused" };
  const without = [...new Set(refusals.filter(({ hasReason }) => !hasReason).map(({ what }) => what))];
  return without.length === 0 ? undefined : broken("an ErrorInfo in every refusal", `none in: ${without.join(", ")}`);
}
