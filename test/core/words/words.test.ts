// The sentences themselves: the only tests that assert them. All others assert facts.
import { describe, expect, test } from "vitest";
import type { ConfigChangeRecord, ReplicaOutcome } from "../../../src/core/config-change.ts";
import type { ConfigProblem, Ending, FailureCause } from "../../../src/core/ending.ts";
import { firstRecord } from "../../../src/core/generations.ts";
import type { ReplicaRecord } from "../../../src/core/replica.ts";
import type { Condition } from "../../../src/core/rollout/conditions.ts";
import type { DeploymentStatus } from "../../../src/core/rollout/status.ts";
import type { Wait } from "../../../src/core/wait.ts";
import { outcomeInWords, refusalInWords } from "../../../src/core/words/config-change-words.ts";
import { endingInWords } from "../../../src/core/words/ending-words.ts";
import { causeInWords } from "../../../src/core/words/failure-words.ts";
import { plural } from "../../../src/core/words/phrases.ts";
import { replicaInWords } from "../../../src/core/words/replica-words.ts";
import { noReplicaExpectedInWords, rolloutFailureInWords } from "../../../src/core/words/rollout-words.ts";
import { statusInWords } from "../../../src/core/words/status-words.ts";
import { waitInWords } from "../../../src/core/words/wait-words.ts";
import { spec } from "../../kit/records.ts";

const giB = 2 ** 30;

test("a number counts its noun", () => {
  expect([0, 1, 2].map((count) => plural(count, "replica"))).toEqual(["0 replicas", "1 replica", "2 replicas"]);
});

test.each<[Ending, string]>([
  [{ kind: "exit", code: 7 }, "exit code 7"],
  [{ kind: "signal", signal: "SIGKILL" }, "signal SIGKILL"],
  [{ kind: "failedToStart", why: "no such folder" }, "could not be started: no such folder"],
  [{ kind: "overMemory", usedBytes: 3 * giB, boundBytes: 2 * giB }, "used 3 GiB of memory, and its memory_bytes is 2 GiB"],
  [{ kind: "overMemory", boundBytes: 2 * giB }, "needed more than its memory_bytes of 2 GiB"],
  [{ kind: "heapFull", boundBytes: giB }, "its heap is full: a module may use 3/4 of its memory_bytes of 1 GiB"],
  [{ kind: "stoppedBeforeStart" }, "stopped before it was started"],
  [
    { kind: "packagesFailed", problem: { kind: "toolEnded", tool: "npm", end: { kind: "exit", code: 1 } } },
    "could not get its packages: npm ended with exit code 1",
  ],
  [
    { kind: "packagesFailed", problem: { kind: "late", tool: "pip", withinMs: 300 }, freeBytes: giB },
    "could not get its packages: pip did not finish within 0.3 s; only 1 GiB are free on the disk",
  ],
])("a process ends: %o", (ending, words) => {
  expect(endingInWords(ending)).toBe(words);
});

const exited = (code: number, served: boolean): FailureCause => ({ kind: "ended", ending: { kind: "exit", code }, served });

test.each<[FailureCause, string]>([
  [exited(3, true), "ended by itself (exit code 3)"],
  [exited(3, false), "ended before it served (exit code 3)"],
  [exited(0, false), "ended before it served (exit code 0): a program must stay in the foreground and serve at DROVER_LISTEN"],
  [{ kind: "ended", ending: { kind: "unknown" }, served: true }, "ended by itself (its process is gone)"],
  [{ kind: "ended", ending: { kind: "failedToStart", why: "no such folder" }, served: false }, "could not be started: no such folder"],
  [
    { kind: "startupTimeout", timeoutMs: 60_000, problem: { kind: "nothingListens" } },
    "did not serve within its startup_timeout of 60 s (nothing listens at its DROVER_LISTEN yet)",
  ],
  [
    { kind: "configRefused", problem: { kind: "refused", message: "no such model", violations: [] } },
    "refused its user_config: no such model",
  ],
  [{ kind: "configRefused", problem: { kind: "late", withinMs: 30_000 } }, "did not take its user_config within 30 s"],
  [
    { kind: "unhealthy", failedChecks: 3, problem: { kind: "callFailed", code: "DEADLINE_EXCEEDED", message: "too late" } },
    "unhealthy: 3 health checks in a row failed, the last with: DEADLINE_EXCEEDED: too late",
  ],
])("a replica fails: %o", (cause, words) => {
  expect(causeInWords(cause)).toBe(words);
});

test.each<[Wait, string]>([
  [
    {
      kind: "resources",
      short: [
        { resource: "cpu", wanted: 2_000, free: 500, total: 4_000 },
        { resource: "gpu", wanted: 500, free: 300, total: 2_000 },
        { resource: "memory", wanted: 1.5 * giB, free: giB, total: 4 * giB },
        { resource: "custom", name: "tpu", wanted: 1_000, free: 0, total: 2_000 },
      ],
    },
    "waits for CPU: wants 2, 0.5 of 4 free; GPU: wants 0.5 of one, at most 0.3 of one is free; memory: wants 1.5 GiB, 1 GiB of 4 GiB free; tpu: wants 1, 0 of 2 free",
  ],
  [
    { kind: "resources", short: [{ resource: "gpu", wanted: 2_000, free: 1_000, total: 2_000 }] },
    "waits for GPU: wants 2 whole, 1 of 2 free",
  ],
  [
    {
      kind: "neverFits",
      short: [
        { resource: "cpu", wanted: 4_001, free: 4_000, total: 4_000 },
        { resource: "memory", wanted: 8 * giB, free: 4 * giB, total: 4 * giB },
      ],
    },
    "wants 4.001 CPUs, this machine has 4; wants 8 GiB of memory, this machine has 4 GiB: it can never start here; " +
      "lower num_cpus or add CPUs (--num-cpus); lower memory_bytes",
  ],
  [{ kind: "turn", keptFor: "big" }, "waits its turn: free resources are kept for replica big, which has waited longer for more"],
  [{ kind: "packages", packages: 1 }, "installing 1 package"],
])("a replica waits: %o", (wait, words) => {
  expect(waitInWords(wait)).toBe(words);
});

describe("a replica", () => {
  const replica = (more: Partial<ReplicaRecord>): ReplicaRecord => ({
    id: "app-1",
    deployment: "app",
    uid: "u",
    revision: 1,
    state: "RUNNING",
    resources: spec.resources,
    gpuIndexes: [],
    address: "unix:/x",
    token: "t",
    createdAtMs: 0,
    sinceMs: 0,
    ...more,
  });

  test.each<[Partial<ReplicaRecord>, string]>([
    [{}, ""],
    [{ state: "PENDING", waits: { kind: "packages", packages: 3 } }, "installing 3 packages"],
    [{ state: "DRAINING", departure: { kind: "replaced", by: 2 } }, "replaced by revision 2"],
    [
      { state: "DRAINING", departure: { kind: "replacedFirst", by: 2 } },
      "replaced by revision 2; removed first, because a new one can start only in its place",
    ],
    [
      { state: "STOPPED", departure: { kind: "scaledDown" }, killedAfterMs: 5_000 },
      "scaled down; it was killed, because it did not end within 5 s of SIGTERM",
    ],
    [{ state: "FAILED", failure: { cause: exited(1, true), lines: ["one", "two"] } }, "ended by itself (exit code 1)\none\ntwo"],
    [
      { state: "DRAINING", departure: { kind: "failing" }, failure: { cause: { kind: "silent" }, lines: [] } },
      "unhealthy: it does not answer this controller",
    ],
    [
      { state: "DRAINING", departure: { kind: "unknownConfig", problem: { kind: "late", withinMs: 30_000 } } },
      "has no known config: it did not answer within 30 s",
    ],
  ])("as in %o", (more, words) => {
    expect(replicaInWords(replica(more))).toBe(words);
  });
});

describe("a deployment", () => {
  const record = firstRecord(spec, "u", 0);
  const status: DeploymentStatus = { state: "UPDATING", target: 3, running: 2, updated: 1, reconciling: true };
  const words = (conditions: readonly Condition[], more: Partial<DeploymentStatus> = {}) =>
    statusInWords(record, { ...status, ...more }, conditions);
  const short = { kind: "resources", short: [{ resource: "cpu", wanted: 1_000, free: 0, total: 4_000 }] } as const;
  const last = { replicaId: "app-1", revision: 1, cause: exited(1, false), lines: ["no model"] };

  test("that is healthy has nothing to say, unless its config is being changed", () => {
    expect(words([{ type: "ROLLOUT_PAUSED", reason: "REQUESTED", sinceMs: 0 }], { state: "HEALTHY" })).toBe("");
    expect(words([{ type: "CONFIG_CHANGING", reason: "RECONFIGURE", sinceMs: 0 }], { state: "HEALTHY" })).toContain("another config");
  });

  test("says how many run, then each condition", () => {
    expect(words([{ type: "STARTING", reason: "LAUNCHED", sinceMs: 0, replicaId: "app-1", more: 2, wait: undefined }])).toBe(
      "2 of 3 running, 1 of them of revision 1; starting app-1 and 2 more",
    );
    expect(words([{ type: "WAITING_FOR_PACKAGES", reason: "INSTALLING", sinceMs: 0, revision: 2, packages: 3 }], { updated: 2 })).toBe(
      "2 of 3 running; installing 3 packages for revision 2",
    );
  });

  test("does not repeat the reason of a condition", () => {
    const condition = { type: "NO_CAPACITY", sinceMs: 0, replicaId: "app-1", more: 1, wait: short } as const;
    const waiting = "2 of 3 running; app-1 waits for CPU: wants 1, 0 of 4 free (and 1 more)";
    expect(words([{ ...condition, reason: "BLOCKED" }], { updated: 2 })).toBe(waiting);
    expect(words([{ ...condition, reason: "WAITING" }], { updated: 2 })).toBe(waiting);
  });

  test("that fails says the last failure, how often it failed, and the revision that was gone back to", () => {
    const failing = { type: "STARTS_FAILING", reason: "BACKOFF", sinceMs: 0, retryAtMs: 1, last } as const;
    expect(words([{ ...failing, failedStarts: 3 }], { updated: 2 })).toBe(
      "2 of 3 running; last failure (3 failed starts in a row): app-1 ended before it served (exit code 1)\nno model",
    );
    const failure = { kind: "failedStarts", count: 5, last } as const;
    expect(words([{ type: "ROLLED_BACK", reason: "FAILED_STARTS", sinceMs: 0, revision: 2, to: 1, failure }], { updated: 2 })).toBe(
      "2 of 3 running; revision 2 has failed and was rolled back to revision 1: 5 failed starts in a row, the last: app-1 ended before it served (exit code 1)\nno model",
    );
  });

  test("that is being deleted says how many replicas are left", () => {
    const deleting = (replicasLeft: number) => words([{ type: "DELETING", reason: "REQUESTED", sinceMs: 0, replicasLeft }]);
    expect([deleting(1), deleting(2)]).toEqual(["1 replica finishes its requests", "2 replicas finish their requests"]);
  });

  test("misses its deadline for what failed last, or for want of room", () => {
    const deadline = { kind: "progressDeadline", deadlineMs: 30_000 } as const;
    const text = "no other replica became available within its progress_deadline of 30 s";
    expect(rolloutFailureInWords(deadline)).toBe(text);
    expect(rolloutFailureInWords({ ...deadline, waiting: { replicaId: "app-1", wait: short } })).toBe(
      `${text}; app-1 waits for CPU: wants 1, 0 of 4 free`,
    );
  });

  test("has no replica soon because none is wanted, or its rollout has failed", () => {
    expect(noReplicaExpectedInWords("noneWanted")).toBe("none is wanted: its num_replicas is 0");
    expect(noReplicaExpectedInWords("rolloutFailed")).toBe("its rollout has failed");
  });
});

describe("a config that was refused", () => {
  const refused = (message: string): ConfigProblem => ({ kind: "refused", message, violations: [] });
  const late: ConfigProblem = { kind: "late", withinMs: 30_000 };
  const change = (replicas: readonly ReplicaOutcome[]): ConfigChangeRecord => ({
    uid: "u",
    deployment: "app",
    id: "c",
    generation: 2,
    spec,
    dryRun: false,
    author: "",
    step: "REFUSED",
    replicas,
  });

  test("says why a replica refused, and why it cannot go back", () => {
    expect(outcomeInWords({})).toBe("");
    expect(outcomeInWords({ problem: refused("no"), revertProblem: late })).toBe("no; then: it did not answer within 30 s");
    expect(outcomeInWords({ problem: late, revertProblem: late })).toBe("it did not answer within 30 s");
    expect(outcomeInWords({ problem: { ...late, last: { kind: "unreached" } } })).toBe(
      "it did not answer within 30 s: it could not be reached",
    );
  });

  test("names each replica with its reason, the same reasons together", () => {
    const text = refusalInWords(
      change([
        { replicaId: "a", outcome: "REFUSED", problem: refused("no such model") },
        { replicaId: "b", outcome: "ACCEPTED" },
        { replicaId: "c", outcome: "REFUSED", problem: refused("no such model") },
        { replicaId: "d", outcome: "REPLACED", problem: late },
      ]),
    );
    expect(text).toBe(
      "3 of 4 replicas refused it, and all keep the previous config, or are replaced: a, c: no such model; d: it did not answer within 30 s",
    );
  });

  test("counts the replicas beyond three, cuts what is too long, and does not count one of one", () => {
    const many = ["a", "b", "c", "d", "e"].map(
      (id) => ({ replicaId: id, outcome: "REFUSED", problem: refused("x".repeat(10_000)) }) as const,
    );
    const text = refusalInWords(change(many));
    expect(text).toContain("5 of 5 replicas");
    expect(text).toContain("a, b, c and 2 more: x");
    expect(text.length).toBeLessThan(1_000);
    expect(refusalInWords(change(many.slice(0, 1)))).toMatch(/^the replica refused it/);
  });

  test("says that the deployment went on, if no replica refused", () => {
    expect(refusalInWords(change([{ replicaId: "a", outcome: "APPLIED" }]))).toContain("was changed or deleted in the meantime");
  });
});
