import { StatusError } from "../../core/errors.ts";
import { type Json, sameJson } from "../../core/json.ts";
import { textOf } from "../checklist.ts";
import { broken, Ended, expectThat, type Outcome, unchecked } from "../outcome.ts";
import type { ReplicaUnderTest } from "../replica-under-test.ts";

/** How long a change may take to show in a report. */
const showMs = 2_000;

/**
 * Checks generations, epochs and `user_config`. Where no config is given that the program takes, it
 * applies generations without a config.
 */
export async function checkConfig(replica: ReplicaUnderTest): Promise<void> {
  const { checklist, means } = replica;
  await checklist.check("config.token", () => checkToken(replica));
  await checklist.check("config.noted", () => checkNoted(replica));
  await checklist.check("config.prepare", () => checkPrepare(replica));
  const outcome = checklist.outcomes.get("config.prepare");
  if (means.userConfig !== undefined && outcome?.kind === "broken" && outcome.expected === takesGiven) {
    checklist.skip(["config.apply", "config.again", "config.revert"], "the program refuses the config of --user-config");
  } else {
    await checklist.check("config.apply", () => checkApply(replica));
    await checklist.check("config.again", () => checkAgain(replica));
    await checklist.check("config.revert", () => checkRevert(replica));
  }
  await checklist.check("load.generation", () => checkReported(replica));
  await checklist.check("config.epoch", () => checkEpoch(replica));
}

const takesGiven = "the config of --user-config is accepted";

/**
 * The config to apply: the config of --user-config once the program has taken it, as a config
 * cannot be taken away.
 */
function configOf({ checklist, means }: ReplicaUnderTest): Json | undefined {
  return checklist.held("config.apply") ? means.userConfig : undefined;
}

async function checkToken(replica: ReplicaUnderTest): Promise<undefined> {
  const { talk } = replica;
  if (talk.token === "") throw new Ended(unchecked("the replica has no token"));
  const generation = await talk.newGeneration();
  for (const [what, token] of [
    ["without a token", ""],
    ["with a wrong token", `${talk.token}x`],
  ] as const) {
    const call = talk.reconfigure({ phase: "APPLY", generation, token });
    await replica.refused(`Reconfigure ${what}`, call, ["PERMISSION_DENIED", "UNAUTHENTICATED"]);
  }
}

async function checkNoted({ talk }: ReplicaUnderTest): Promise<undefined> {
  const generation = await talk.newGeneration();
  const answered = await talk.reconfigure({ phase: "APPLY", generation });
  expectThat(answered === generation, `the answer ${generation}`, String(answered));
  await expectServing({ talk }, generation);
}

/**
 * `PREPARE` must change neither the generation nor, where the method always answers the same, its
 * answer.
 */
async function checkPrepare(replica: ReplicaUnderTest): Promise<undefined> {
  const { talk, means } = replica;
  const before = await talk.generation();
  const answer = await steadyAnswer(replica);
  const generation = await talk.newGeneration();
  const answered = await talk.reconfigure({ phase: "PREPARE", generation, userConfig: means.userConfig }).catch((error: unknown) => {
    if (means.userConfig === undefined || !(error instanceof StatusError)) throw error;
    throw new Ended(broken(takesGiven, textOf(error)));
  });
  expectThat(answered === before, `the answer ${before}, by which it serves`, String(answered));
  await expectServing(replica, before);
  await expectAnswer(replica, answer);
}

async function checkApply({ talk, means }: ReplicaUnderTest): Promise<undefined> {
  const generation = await talk.newGeneration();
  const answered = await talk.reconfigure({ phase: "APPLY", generation, userConfig: means.userConfig });
  expectThat(answered === generation, `the answer ${generation}`, String(answered));
  await expectServing({ talk }, generation);
}

async function checkAgain(replica: ReplicaUnderTest): Promise<undefined> {
  const { talk } = replica;
  const userConfig = configOf(replica);
  // Two, so that there is a generation below the one in use, whatever the checks before did.
  const generation = await applied(replica, 2);
  for (const again of [generation, generation - 1]) {
    const answered = await talk.reconfigure({ phase: "APPLY", generation: again, userConfig });
    expectThat(answered === generation, `APPLY of ${again} after ${generation}: the answer ${generation}`, String(answered));
    await expectServing(replica, generation);
  }
}

async function checkRevert(replica: ReplicaUnderTest): Promise<undefined> {
  const older = (await applied(replica, 2)) - 1;
  const answered = await replica.talk.reconfigure({ phase: "REVERT", generation: older, userConfig: configOf(replica) });
  expectThat(answered === older, `the answer ${older}`, String(answered));
  await expectServing(replica, older);
}

/** Applies this many generations, one after the other, and returns the last. */
async function applied(replica: ReplicaUnderTest, times: number): Promise<number> {
  const { talk } = replica;
  let generation = 0;
  for (let time = 0; time < times; time++) {
    generation = await talk.newGeneration();
    await talk.reconfigure({ phase: "APPLY", generation, userConfig: configOf(replica) });
  }
  return generation;
}

/** A stream that was open before the change reports the new generation, too. */
async function checkReported(replica: ReplicaUnderTest): Promise<undefined> {
  const { talk } = replica;
  const generation = await talk.newGeneration();
  const reported = talk.loadUntil((report) => report.generation === generation, showMs);
  reported.catch(() => {}); // it is awaited below, and may fail before
  await talk.reconfigure({ phase: "APPLY", generation, userConfig: configOf(replica) });
  const { reached, last } = await reported;
  expectThat(reached, `config_generation ${generation}`, last);
}

async function checkEpoch(replica: ReplicaUnderTest): Promise<undefined> {
  const { talk } = replica;
  const old = talk.epoch;
  talk.epoch = old + 1n;
  const userConfig = configOf(replica);
  const before = await applied(replica, 1);
  const generation = await talk.newGeneration();
  const call = talk.reconfigure({ phase: "APPLY", generation, userConfig, epoch: old });
  await replica.refused("Reconfigure of a lower epoch", call, ["FAILED_PRECONDITION"]);
  await expectServing(replica, before);
}

/**
 * Checks a config that the program refuses. PREPARE may accept it, where only serving by it shows
 * the problem; APPLY must not.
 */
export async function checkRefusals(replica: ReplicaUnderTest): Promise<void> {
  const { talk, checklist, means } = replica;
  const { badUserConfig } = means;
  await checklist.check("config.none", () => checkNone(replica));
  if (badUserConfig === undefined)
    return checklist.skip(["config.refused", "config.early", "config.kept"], "no --bad-user-config was given");
  const before = await talk.generation();
  const answer = await steadyAnswer(replica);
  let early: unknown;
  await checklist.check("config.refused", async () => {
    const generation = await talk.newGeneration();
    early = await talk.reconfigure({ phase: "PREPARE", generation, userConfig: badUserConfig }).catch((error: unknown) => error);
    if (typeof early !== "number") await expectRefusal(replica, "PREPARE of it", Promise.reject(early));
    await expectRefusal(replica, "APPLY of it", talk.reconfigure({ phase: "APPLY", generation, userConfig: badUserConfig }));
    return undefined;
  });
  await checklist.check("config.early", async () => {
    if (!checklist.held("config.refused")) return unchecked("it was not refused as it should be");
    return typeof early === "number" ? broken("PREPARE fails", "OK: replicas that took it before one refuses must go back") : undefined;
  });
  await checklist.check("config.kept", async () => {
    if (!checklist.held("config.refused")) return unchecked("it was not refused as it should be");
    await expectServing(replica, before);
    await expectAnswer(replica, answer);
    if (configOf(replica) !== undefined) await checkApply(replica);
    return undefined;
  });
}

async function expectRefusal(replica: ReplicaUnderTest, what: string, call: Promise<unknown>): Promise<void> {
  const error = await replica.refused(what, call, ["FAILED_PRECONDITION", "INVALID_ARGUMENT"], false);
  expectThat(error.message.trim() !== "", `${what} fails with a message that says why`, textOf(error));
}

/** Checks a program for which no config was given: with `{}`, and only by PREPARE. */
async function checkNone({ talk, means, checklist }: ReplicaUnderTest): Promise<Outcome | undefined> {
  if (means.userConfig !== undefined) return unchecked("the program takes a user_config");
  let error: unknown;
  try {
    await talk.reconfigure({ phase: "PREPARE", generation: await talk.newGeneration(), userConfig: {} });
  } catch (cause) {
    error = cause;
  }
  const takesOne = unchecked("the program seems to take a user_config: give one with --user-config");
  if (!(error instanceof StatusError) || error.code === "INVALID_ARGUMENT") return takesOne;
  const expected = "FAILED_PRECONDITION with a message";
  expectThat(error.code === "FAILED_PRECONDITION" && error.message.trim() !== "", expected, textOf(error));
  checklist.refusals.push({ what: "Reconfigure of a program that takes no config", hasReason: error.reason !== undefined });
  return undefined;
}

async function expectServing({ talk }: Pick<ReplicaUnderTest, "talk">, generation: number): Promise<void> {
  const served = await talk.generation();
  expectThat(served === generation, `GetInfo: config_generation ${generation}`, String(served));
}

/**
 * The method's answer, if two calls have the same; undefined: they differ, so an answer shows
 * nothing.
 */
async function steadyAnswer({ talk, checklist, means }: ReplicaUnderTest): Promise<Json | undefined> {
  if (means.method === undefined || !checklist.held("invoke.answers")) return undefined;
  const [first, second] = [await talk.invoke(means.method), await talk.invoke(means.method)];
  return sameJson(first, second) ? first : undefined;
}

async function expectAnswer({ talk, means }: ReplicaUnderTest, answer: Json | undefined): Promise<void> {
  if (answer === undefined || means.method === undefined) return;
  const now = await talk.invoke(means.method);
  expectThat(sameJson(now, answer), `"${means.method.method}" answers as before: ${JSON.stringify(answer)}`, JSON.stringify(now));
}
