import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  afterCalls,
  type CallResult,
  type ConfigChangeRecord,
  type ConfigStep,
  calledIn,
  committedConfig,
  configOf,
  configSteps,
  givenUp,
  isOver,
  phaseOf,
  type ReplicaOutcome,
  toReplace,
  violationsOf,
} from "../../src/core/config-change.ts";
import type { DeploymentRecord, RevisionRecord } from "../../src/core/deployment.ts";
import type { ConfigProblem } from "../../src/core/ending.ts";
import { spec } from "../kit/records.ts";

const wanted = { ...spec, userConfig: { model: "b" } };
const begun: ConfigChangeRecord = {
  uid: "u",
  deployment: "app",
  id: "c",
  generation: 2,
  spec: wanted,
  dryRun: false,
  author: "",
  step: "PREPARE",
  replicas: [],
};
const at = (step: ConfigStep, replicas: readonly ReplicaOutcome[] = [], more: Partial<ConfigChangeRecord> = {}) => ({
  ...begun,
  step,
  replicas,
  ...more,
});

const done = (replicaId: string): CallResult => ({ replicaId, kind: "done" });
const gone = (replicaId: string): CallResult => ({ replicaId, kind: "gone" });
const noSuchModel: ConfigProblem = { kind: "refused", message: "no such model", violations: [] };
const late: ConfigProblem = { kind: "late", withinMs: 30_000 };
const exited: ConfigProblem = {
  kind: "failed",
  failure: { cause: { kind: "ended", ending: { kind: "exit", code: 3 }, served: true }, lines: [] },
};
const refused = (replicaId: string, problem = noSuchModel): CallResult => ({ replicaId, kind: "refused", problem });
const silent = (replicaId: string, problem = late): CallResult => ({ replicaId, kind: "silent", problem });

const outcome = (replicaId: string, outcome: ReplicaOutcome["outcome"], problem?: ConfigProblem): ReplicaOutcome => ({
  replicaId,
  outcome,
  problem,
});
const problems = ({ replicas }: ConfigChangeRecord) =>
  replicas.flatMap(({ replicaId, problem = undefined, revertProblem = problem }) =>
    revertProblem ? [[replicaId, problem ?? revertProblem]] : [],
  );
const outcomes = ({ replicas }: ConfigChangeRecord) => replicas.map((one) => [one.replicaId, one.outcome]);

/** The change after one round of calls for each of these. */
function through(change: ConfigChangeRecord, ...rounds: readonly (readonly CallResult[])[]): ConfigChangeRecord {
  return rounds.reduce(afterCalls, change);
}

describe("the steps", () => {
  test("all are asked, then one serves by it, then the rest, then it is committed", () => {
    const all = ["a", "b", "c"].map(done);
    const steps = [begun];
    for (const results of [all, [done("a")], all]) steps.push(afterCalls(steps.at(-1) ?? begun, results));
    expect(steps.map(({ step }) => step)).toEqual(["PREPARE", "APPLY_ONE", "APPLY_REST", "COMMITTED"]);
    expect(steps.map((change) => change.replicas.map((one) => one.outcome))).toEqual([
      [],
      ["ACCEPTED", "ACCEPTED", "ACCEPTED"],
      ["ACCEPTED", "ACCEPTED", "APPLIED"],
      ["APPLIED", "APPLIED", "APPLIED"],
    ]);
    expect(steps.map(phaseOf)).toEqual(["PREPARE", "APPLY", "APPLY", "APPLY"]);
    expect(phaseOf(at("REVERT"))).toBe("REVERT");
  });

  test("only the step for one is for one: all others are for every replica that runs", () => {
    for (const step of ["PREPARE", "APPLY_REST", "REVERT"] as const) expect(calledIn(at(step), ["a", "b"])).toEqual(["a", "b"]);
    expect(calledIn(at("APPLY_ONE"), ["a", "b"])).toEqual(["a"]);
    expect(calledIn(at("APPLY_ONE"), [])).toEqual([]);
  });

  test("where no replica runs, a change is committed at once", () => {
    expect(afterCalls(begun, []).step).toBe("COMMITTED");
    expect(afterCalls(begun, [gone("a")]).step).toBe("COMMITTED");
  });

  test("a change that only asks is never applied, accepted or not", () => {
    const asked = { ...begun, dryRun: true };
    expect(afterCalls(asked, [done("a")])).toMatchObject({ step: "PREPARED", replicas: [{ outcome: "ACCEPTED" }] });
    expect(afterCalls(asked, [])).toMatchObject({ step: "PREPARED" });
    expect(afterCalls(asked, [done("a"), refused("b")])).toMatchObject({ step: "REFUSED" });
  });

  test("a replica that refuses in PREPARE ends the change, and none has to go back", () => {
    const end = afterCalls(begun, [done("a"), refused("b")]);
    expect(end.step).toBe("REFUSED");
    expect(outcomes(end)).toEqual([
      ["a", "ACCEPTED"],
      ["b", "REFUSED"],
    ]);
  });

  test("a replica that refuses in APPLY makes all go back, itself too", () => {
    const reverting = through(begun, [done("a"), done("b")], [refused("a")]);
    expect(reverting.step).toBe("REVERT");
    const end = afterCalls(reverting, [done("a"), done("b")]);
    expect(end.step).toBe("REFUSED");
    expect(outcomes(end)).toEqual([
      ["a", "REFUSED"],
      ["b", "ACCEPTED"],
    ]);
    const late = through(begun, [done("a"), done("b")], [done("a")], [done("a"), refused("b")], [done("a"), done("b")]);
    expect(outcomes(late)).toEqual([
      ["a", "REVERTED"],
      ["b", "REFUSED"],
    ]);
  });

  test("the fields that a schema refused are kept to the end", () => {
    const violations = [{ field: "model", description: "must be a string" }];
    const refusing = afterCalls(at("APPLY_ONE"), [refused("a", { kind: "refused", message: "model: no", violations })]);
    const { replicas } = afterCalls(refusing, [done("a")]);
    expect(replicas).toMatchObject([{ outcome: "REFUSED" }]);
    expect(replicas.flatMap(violationsOf)).toEqual(violations);
  });

  const ended = (replicaId: string): CallResult => ({ replicaId, kind: "ended", problem: exited });

  test("where those that end while they are asked are more than those that accept, it is refused", () => {
    for (const results of [[ended("a")], [ended("a"), ended("c"), done("b")], [ended("a"), ended("b"), gone("c")]])
      expect(afterCalls(begun, results)).toMatchObject({
        step: "REFUSED",
        replicas: expect.arrayContaining([outcome("a", "REFUSED", exited)]),
      });
    expect(afterCalls({ ...begun, dryRun: true }, [ended("a")]).step).toBe("REFUSED");
    expect(afterCalls(begun, [ended("a"), done("b"), done("c")])).toMatchObject({
      step: "APPLY_ONE",
      replicas: [outcome("b", "ACCEPTED"), outcome("c", "ACCEPTED")],
    });
    expect(afterCalls(at("APPLY_REST"), [done("a"), ended("b"), ended("c")]).step).toBe("REVERT");
    expect(afterCalls(at("APPLY_REST"), [done("a"), done("c"), ended("b")]).step).toBe("COMMITTED");
    expect(afterCalls(at("REVERT"), [ended("a"), done("b")]).step).toBe("REFUSED");
  });

  test("the first that serves by it may end by chance; two in a row, or the only one, end for it", () => {
    const asked = through(begun, [done("a"), done("b"), done("c")]);
    const once = afterCalls(asked, [ended("a")]);
    expect(once.step).toBe("APPLY_ONE");
    const committed = through(once, [done("b")], [done("b"), done("c")]);
    expect(committed).toMatchObject({ step: "COMMITTED", replicas: [outcome("b", "APPLIED"), outcome("c", "APPLIED")] });
    const twice = through(once, [ended("b")], [done("c")]);
    expect(twice.step).toBe("REFUSED");
    expect(problems(twice)).toEqual([
      ["a", exited],
      ["b", exited],
    ]);
    expect(through(once, []).step).toBe("REVERT");
  });

  test("a replica that is gone, or is being removed, has no part in it", () => {
    expect(afterCalls(at("APPLY_REST"), [done("a"), gone("b")])).toMatchObject({ step: "COMMITTED", replicas: [{ replicaId: "a" }] });
    expect(afterCalls(at("APPLY_ONE"), [gone("a")]).step).toBe("APPLY_REST");
    expect(afterCalls(at("REVERT"), [gone("a")]).step).toBe("REFUSED");
  });

  test("a change that is over stays as it ended", () => {
    for (const step of configSteps.filter((step) => isOver(at(step)))) {
      const over = at(step, [outcome("a", "APPLIED")]);
      expect(afterCalls(over, [refused("a")])).toBe(over);
    }
    expect(configSteps.filter((step) => isOver(at(step)))).toEqual(["COMMITTED", "PREPARED", "REFUSED"]);
  });

  test("a change that is given up is over, and refused", () => {
    for (const step of ["PREPARE", "APPLY_ONE", "APPLY_REST", "REVERT"] as const) expect(givenUp(at(step)).step).toBe("REFUSED");
  });
});

describe("a change replaces", () => {
  test("a replica that does not answer in time, in any phase", () => {
    expect(toReplace(afterCalls(begun, [done("a"), silent("b")]))).toMatchObject([{ replicaId: "b", problem: late }]);
    const reverting = through(begun, [done("a"), done("b")], [done("a")], [done("a"), silent("b")]);
    expect(toReplace(reverting)).toEqual([]);
    expect(toReplace(afterCalls(reverting, [done("a"), silent("b")]))).toMatchObject([{ replicaId: "b" }]);
  });

  test("a replica that cannot go back, or does not say that it did", () => {
    const reverting = at("REVERT", [outcome("a", "APPLIED"), outcome("b", "APPLIED"), outcome("c", "REFUSED", noSuchModel)]);
    const noWayBack: ConfigProblem = { kind: "refused", message: "there is no way back", violations: [] };
    const end = afterCalls(reverting, [refused("a", noWayBack), silent("b"), done("c")]);
    expect(toReplace(end)).toMatchObject([
      { replicaId: "a", revertProblem: noWayBack },
      { replicaId: "b", revertProblem: late },
    ]);
  });

  test("no replica that refused and went back, and none that did not answer and then went back", () => {
    const reverting = at("REVERT", [outcome("a", "REFUSED", noSuchModel), outcome("b", "REPLACED", late)]);
    const end = afterCalls(reverting, [done("a"), done("b")]);
    expect(outcomes(end)).toEqual([
      ["a", "REFUSED"],
      ["b", "REVERTED"],
    ]);
    expect(toReplace(end)).toEqual([]);
  });
});

describe("why it was refused", () => {
  test("is known of a replica that did not answer and then went back, and of a replica that refused and then ended", () => {
    const mute = through(at("APPLY_ONE"), [silent("a")], [done("a")]);
    expect(problems(mute)).toEqual([["a", late]]);
    const ended = through(begun, [done("a"), done("b")], [refused("a")], [gone("a"), done("b")]);
    expect(problems(ended)).toContainEqual(["a", noSuchModel]);
    expect(toReplace(ended)).toEqual([]);
  });
});

describe("the config that is committed", () => {
  const deployment = { uid: "u", spec: wanted, revision: 2, configGeneration: 5 } as Partial<DeploymentRecord> as DeploymentRecord;
  const old = { uid: "u", spec, revision: 1, configGeneration: 3 } as Partial<RevisionRecord> as RevisionRecord;

  test("is the deployment's own for the revision wanted, and the last of its own for an older one", () => {
    expect(committedConfig(deployment, 2, () => undefined)).toEqual({ generation: 5, maxOngoingRequests: 5, userConfig: { model: "b" } });
    expect(committedConfig(deployment, 1, (revision) => (revision === 1 ? old : undefined))).toEqual({
      generation: 3,
      maxOngoingRequests: 5,
    });
  });

  test("is not known of a revision that is not kept, or that was an earlier deployment's", () => {
    expect(committedConfig(deployment, 1, () => undefined)).toBeUndefined();
    expect(committedConfig(deployment, 1, () => ({ ...old, uid: "before" }))).toBeUndefined();
  });

  test("distinguishes no user_config from null", () => {
    expect(configOf(spec, 1)).not.toHaveProperty("userConfig");
    expect(configOf({ ...spec, userConfig: null }, 1)).toMatchObject({ userConfig: null });
  });
});

/** What a replica serves with: one of the two configs, or unknown. */
type Held = "old" | "new" | "unknown";

/**
 * The effect of a call on the config of a replica. A refusal may come half-way; a silent replica
 * may have made the change.
 */
function heldAfter(held: Held, phase: "PREPARE" | "APPLY" | "REVERT", kind: CallResult["kind"]): Held {
  if (phase === "PREPARE" || kind === "gone") return held;
  return kind === "done" ? (phase === "APPLY" ? "new" : "old") : "unknown";
}

test("whatever replicas answer: it ends, from APPLY_ONE on as COMMITTED or by way of REVERT, a refusal never commits, and all that stay serve by one config", () => {
  const kind = fc.constantFrom<CallResult["kind"]>("done", "done", "done", "refused", "silent", "gone", "ended");
  const answers = fc.array(kind, { minLength: 32, maxLength: 32 });
  const firstStep = fc.constantFrom<ConfigStep>("PREPARE", "APPLY_ONE");
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 6 }), answers, fc.boolean(), firstStep, (count, drawn, dryRun, step) => {
      const held = new Map(Array.from({ length: count }, (_, index): [string, Held] => [`r${index}`, "old"]));
      const draws = [...drawn];
      let change: ConfigChangeRecord = { ...begun, dryRun: dryRun && step === "PREPARE", step };
      const went: ConfigStep[] = [];
      let [failed, someEnded, fatal, firsts] = [false, false, false, 0];
      while (!isOver(change)) {
        went.push(change.step);
        expect(went.length).toBeLessThanOrEqual(5);
        const results = calledIn(change, [...held.keys()]).map((replicaId) => ({ ...refused(replicaId), kind: draws.pop() ?? "done" }));
        for (const { replicaId, kind } of results) {
          held.set(replicaId, heldAfter(held.get(replicaId) ?? "old", phaseOf(change), kind));
          if (kind === "gone" || kind === "ended") held.delete(replicaId);
        }
        const endings = results.filter(({ kind }) => kind === "ended").length;
        someEnded ||= endings > 0;
        if (change.step === "APPLY_ONE") firsts += endings;
        const asked = change.step === "PREPARE" || change.step === "APPLY_REST";
        fatal ||= firsts > 1 || (asked && endings > results.filter(({ kind }) => kind === "done").length);
        failed ||= results.some(({ kind }) => kind === "refused" || kind === "silent");
        change = afterCalls(change, results as CallResult[]);
      }
      const replaced = new Set(toReplace(change).map(({ replicaId }) => replicaId));
      const stay = [...held].flatMap(([id, config]) => (replaced.has(id) ? [] : config));
      expect(new Set(stay)).toEqual(new Set(stay.length === 0 ? [] : [change.step === "COMMITTED" ? "new" : "old"]));
      if (failed || fatal) expect(change.step).toBe("REFUSED");
      // Who ended may have done so by chance.
      else if (!someEnded) expect(change.step).toBe(change.dryRun ? "PREPARED" : "COMMITTED");
      if (went.includes("APPLY_ONE")) expect(change.step === "COMMITTED" || went.at(-1) === "REVERT").toBe(true);
      if (change.step === "REFUSED") expect(problems(change).map(([, problem]) => problem)).toContainEqual(noSuchModel);
    }),
    { numRuns: 2_000 },
  );
});
