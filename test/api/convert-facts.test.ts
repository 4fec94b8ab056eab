// Goal: the wire loses no fact. Method: a sample of each kind of each union of core, as proto JSON;
// each kind of the proto is met.
import { create, type DescEnum, type DescMessage, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ReplicaSchema } from "../../gen/drover/v1/deployment_pb.ts";
import * as facts from "../../gen/drover/v1/facts_pb.ts";
import { configProblemToMessage, endingToMessage, healthProblemToMessage, replicaFailureToMessage } from "../../src/api/convert-endings.ts";
import {
  conditionToMessage,
  departureToMessage,
  replicaFactsToMessage,
  storeTroubleToMessage,
  waitToMessage,
} from "../../src/api/convert-facts.ts";
import type { Departure } from "../../src/core/departure.ts";
import type { ConfigProblem, Ending, FailureCause, HealthProblem } from "../../src/core/ending.ts";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import type { Condition } from "../../src/core/rollout/conditions.ts";
import type { StoreTrouble } from "../../src/core/store-trouble.ts";
import type { Wait } from "../../src/core/wait.ts";

/** As proto JSON by proto field names; what is zero is left out. */
function jsonOf<D extends DescMessage>(schema: D, message: MessageInitShape<D>): unknown {
  return toJson(schema, create(schema, message), { useProtoFieldName: true });
}

const callFailed = { kind: "callFailed", code: "UNAVAILABLE", message: "gone" } as const;
const callFailedJson = { kind: "HEALTH_PROBLEM_KIND_CALL_FAILED", code: 14, message: "gone" };

const endings: readonly (readonly [Ending, object])[] = [
  [
    { kind: "exit", code: 0 },
    { kind: "ENDING_KIND_EXIT", exit_code: 0 },
  ],
  [
    { kind: "signal", signal: "SIGKILL" },
    { kind: "ENDING_KIND_SIGNAL", signal: "SIGKILL" },
  ],
  [
    { kind: "failedToStart", why: "no such file" },
    { kind: "ENDING_KIND_FAILED_TO_START", cause: "no such file" },
  ],
  [
    { kind: "packagesFailed", problem: { kind: "toolEnded", tool: "npm", end: { kind: "exit", code: 1 } }, freeBytes: 7 },
    {
      kind: "ENDING_KIND_PACKAGES_FAILED",
      install_problem: { kind: "INSTALL_PROBLEM_KIND_TOOL_ENDED", tool: "npm", exit_code: 1 },
      free_bytes: "7",
    },
  ],
  [
    { kind: "packagesFailed", problem: { kind: "toolEnded", tool: "npm", end: { kind: "signal", signal: "SIGTERM" } } },
    { kind: "ENDING_KIND_PACKAGES_FAILED", install_problem: { kind: "INSTALL_PROBLEM_KIND_TOOL_ENDED", tool: "npm", signal: "SIGTERM" } },
  ],
  [
    { kind: "packagesFailed", problem: { kind: "toolNotFound", program: "npm" } },
    { kind: "ENDING_KIND_PACKAGES_FAILED", install_problem: { kind: "INSTALL_PROBLEM_KIND_TOOL_NOT_FOUND", tool: "npm" } },
  ],
  [
    { kind: "packagesFailed", problem: { kind: "toolNotRun", tool: "npm", why: "EACCES" } },
    { kind: "ENDING_KIND_PACKAGES_FAILED", install_problem: { kind: "INSTALL_PROBLEM_KIND_TOOL_NOT_RUN", tool: "npm", cause: "EACCES" } },
  ],
  [
    { kind: "packagesFailed", problem: { kind: "late", tool: "pip", withinMs: 1_500 } },
    { kind: "ENDING_KIND_PACKAGES_FAILED", install_problem: { kind: "INSTALL_PROBLEM_KIND_LATE", tool: "pip", within: "1.500s" } },
  ],
  [
    { kind: "packagesFailed", problem: { kind: "noPython" } },
    { kind: "ENDING_KIND_PACKAGES_FAILED", install_problem: { kind: "INSTALL_PROBLEM_KIND_NO_PYTHON" } },
  ],
  [
    { kind: "packagesFailed", problem: { kind: "unwanted" } },
    { kind: "ENDING_KIND_PACKAGES_FAILED", install_problem: { kind: "INSTALL_PROBLEM_KIND_UNWANTED" } },
  ],
  [
    { kind: "packagesFailed", problem: { kind: "system", why: "ENOSPC" } },
    { kind: "ENDING_KIND_PACKAGES_FAILED", install_problem: { kind: "INSTALL_PROBLEM_KIND_SYSTEM", cause: "ENOSPC" } },
  ],
  [
    { kind: "overMemory", usedBytes: 9, boundBytes: 8 },
    { kind: "ENDING_KIND_OVER_MEMORY", used_bytes: "9", bound_bytes: "8" },
  ],
  [{ kind: "machineOutOfMemory" }, { kind: "ENDING_KIND_MACHINE_OUT_OF_MEMORY" }],
  [
    { kind: "heapFull", boundBytes: 8 },
    { kind: "ENDING_KIND_HEAP_FULL", bound_bytes: "8" },
  ],
  [{ kind: "neverStarted" }, { kind: "ENDING_KIND_NEVER_STARTED" }],
  [{ kind: "stoppedBeforeStart" }, { kind: "ENDING_KIND_STOPPED_BEFORE_START" }],
  [{ kind: "unknown" }, { kind: "ENDING_KIND_UNKNOWN" }],
];

const healthProblems: readonly (readonly [HealthProblem, object])[] = [
  [{ kind: "nothingListens" }, { kind: "HEALTH_PROBLEM_KIND_NOTHING_LISTENS" }],
  [{ kind: "notServing" }, { kind: "HEALTH_PROBLEM_KIND_NOT_SERVING" }],
  [{ kind: "noHealthService" }, { kind: "HEALTH_PROBLEM_KIND_NO_HEALTH_SERVICE" }],
  [callFailed, callFailedJson],
  [
    { ...callFailed, code: undefined },
    { kind: "HEALTH_PROBLEM_KIND_CALL_FAILED", message: "gone" },
  ],
];

const configProblems: readonly (readonly [ConfigProblem, object])[] = [
  [
    { kind: "refused", message: "too high", violations: [{ field: "threshold", description: "at most 1" }] },
    { kind: "CONFIG_PROBLEM_KIND_REFUSED", message: "too high", violations: [{ field: "threshold", description: "at most 1" }] },
  ],
  [{ kind: "noService" }, { kind: "CONFIG_PROBLEM_KIND_NO_SERVICE" }],
  [
    { kind: "late", withinMs: 10_000 },
    { kind: "CONFIG_PROBLEM_KIND_LATE", within: "10s" },
  ],
  [
    { kind: "late", withinMs: 10_000, last: { kind: "unreached" } },
    { kind: "CONFIG_PROBLEM_KIND_LATE", within: "10s", last_call: { kind: "CONFIG_CALL_PROBLEM_KIND_UNREACHED" } },
  ],
  [
    { kind: "late", withinMs: 10_000, last: { kind: "notLeading" } },
    { kind: "CONFIG_PROBLEM_KIND_LATE", within: "10s", last_call: { kind: "CONFIG_CALL_PROBLEM_KIND_NOT_LEADING" } },
  ],
  [
    { kind: "late", withinMs: 10_000, last: callFailed },
    {
      kind: "CONFIG_PROBLEM_KIND_LATE",
      within: "10s",
      last_call: { ...callFailedJson, kind: "CONFIG_CALL_PROBLEM_KIND_CALL_FAILED" },
    },
  ],
  [
    { kind: "failed", failure: { cause: { kind: "silent" }, lines: ["bye"] } },
    { kind: "CONFIG_PROBLEM_KIND_FAILED", failure: { kind: "REPLICA_FAILURE_KIND_SILENT", last_lines: ["bye"] } },
  ],
];

const causes: readonly (readonly [FailureCause, object])[] = [
  [
    { kind: "ended", ending: { kind: "unknown" }, served: true },
    { kind: "REPLICA_FAILURE_KIND_ENDED", ending: { kind: "ENDING_KIND_UNKNOWN" }, served: true },
  ],
  [
    { kind: "startupTimeout", timeoutMs: 60_000, problem: callFailed },
    { kind: "REPLICA_FAILURE_KIND_STARTUP_TIMEOUT", startup_timeout: "60s", health_problem: callFailedJson },
  ],
  [
    { kind: "configRefused", problem: { kind: "noService" } },
    { kind: "REPLICA_FAILURE_KIND_CONFIG_REFUSED", config_problem: { kind: "CONFIG_PROBLEM_KIND_NO_SERVICE" } },
  ],
  [
    { kind: "anotherReplica", replicaId: "b-1" },
    { kind: "REPLICA_FAILURE_KIND_ANOTHER_REPLICA", other_replica_id: "b-1" },
  ],
  [
    { kind: "unhealthy", failedChecks: 3, problem: callFailed },
    { kind: "REPLICA_FAILURE_KIND_UNHEALTHY", failed_checks: 3, health_problem: callFailedJson },
  ],
  [
    { kind: "silent", problem: callFailed },
    { kind: "REPLICA_FAILURE_KIND_SILENT", health_problem: callFailedJson },
  ],
  [
    { kind: "earlier", text: "it broke" },
    { kind: "REPLICA_FAILURE_KIND_EARLIER_VERSION", text: "it broke" },
  ],
];

const short = [
  { resource: "cpu", wanted: 1_500, free: 500, total: 4_000 },
  { resource: "gpu", wanted: 250, free: 100, total: 1_000 },
  { resource: "memory", wanted: 1_000, free: 7, total: 2_000 },
  { resource: "custom", name: "licence", wanted: 2_000, free: 0, total: 1_000 },
] as const;
const shortJson = [
  { resource: "RESOURCE_KIND_CPU", wanted: 1.5, free: 0.5, total: 4 },
  { resource: "RESOURCE_KIND_GPU", wanted: 0.25, free: 0.1, total: 1 },
  { resource: "RESOURCE_KIND_MEMORY", wanted: 1_000, free: 7, total: 2_000 },
  { resource: "RESOURCE_KIND_CUSTOM", name: "licence", wanted: 2, total: 1 },
];

const waits: readonly (readonly [Wait, object])[] = [
  [
    { kind: "resources", short },
    { kind: "PENDING_KIND_RESOURCES", shortages: shortJson },
  ],
  [
    { kind: "neverFits", short },
    { kind: "PENDING_KIND_NEVER_FITS", shortages: shortJson },
  ],
  [
    { kind: "turn", keptFor: "a-1" },
    { kind: "PENDING_KIND_TURN", kept_for_replica_id: "a-1" },
  ],
  [
    { kind: "engine", reason: "no node" },
    { kind: "PENDING_KIND_ENGINE", engine_reason: "no node" },
  ],
  [
    { kind: "packages", packages: 3 },
    { kind: "PENDING_KIND_PACKAGES", packages: 3 },
  ],
  [
    { kind: "notServing", problem: callFailed },
    { kind: "PENDING_KIND_NOT_SERVING", health_problem: callFailedJson },
  ],
];

const departures: readonly (readonly [Departure, object])[] = [
  [{ kind: "scaledDown" }, { kind: "DEPARTURE_KIND_SCALED_DOWN" }],
  [
    { kind: "replaced", by: 2 },
    { kind: "DEPARTURE_KIND_REPLACED", by_revision: "2" },
  ],
  [
    { kind: "replacedFirst", by: 2 },
    { kind: "DEPARTURE_KIND_REPLACED_FIRST", by_revision: "2" },
  ],
  [{ kind: "deleted" }, { kind: "DEPARTURE_KIND_DELETED" }],
  [{ kind: "failing" }, { kind: "DEPARTURE_KIND_FAILING" }],
  [
    { kind: "unknownConfig", problem: { kind: "noService" } },
    { kind: "DEPARTURE_KIND_UNKNOWN_CONFIG", config_problem: { kind: "CONFIG_PROBLEM_KIND_NO_SERVICE" } },
  ],
  [{ kind: "unknownConfig", problem: undefined }, { kind: "DEPARTURE_KIND_UNKNOWN_CONFIG" }],
  [{ kind: "neverStarted" }, { kind: "DEPARTURE_KIND_NEVER_STARTED" }],
  [
    { kind: "earlier", text: "gone" },
    { kind: "DEPARTURE_KIND_EARLIER_VERSION", text: "gone" },
  ],
];

const sinceMs = 1_767_225_600_000;
const since = "2026-01-01T00:00:00Z";
const last = { replicaId: "a-1", revision: 2, cause: { kind: "silent" }, lines: ["bye"] } as const;
const lastJson = { replica_id: "a-1", revision: "2", failure: { kind: "REPLICA_FAILURE_KIND_SILENT", last_lines: ["bye"] } };
const turn = { kind: "turn", keptFor: "b-1" } as const;
const turnJson = { kind: "PENDING_KIND_TURN", kept_for_replica_id: "b-1" };
const group = { replicaId: "a-1", more: 2, sinceMs };
const groupJson = { replica_id: "a-1", more_replicas: 2, since };

const conditions: readonly (readonly [Condition, object])[] = [
  [
    { type: "DELETING", reason: "REQUESTED", sinceMs, replicasLeft: 3 },
    { type: "CONDITION_TYPE_DELETING", reason: "CONDITION_REASON_REQUESTED", since, replicas_left: 3 },
  ],
  [
    { type: "CONFIG_CHANGING", reason: "RECONFIGURE", sinceMs: undefined },
    { type: "CONDITION_TYPE_CONFIG_CHANGING", reason: "CONDITION_REASON_RECONFIGURE" },
  ],
  [
    { type: "ROLLOUT_PAUSED", reason: "REQUESTED", sinceMs },
    { type: "CONDITION_TYPE_ROLLOUT_PAUSED", reason: "CONDITION_REASON_REQUESTED", since },
  ],
  ...(["WAITING", "BLOCKED", "NEVER_FITS"] as const).map((reason): readonly [Condition, object] => [
    { type: "NO_CAPACITY", reason, ...group, wait: turn },
    {
      type: "CONDITION_TYPE_NO_CAPACITY",
      reason: `CONDITION_REASON_${reason === "BLOCKED" ? "BLOCKED_NO_CAPACITY" : reason}`,
      ...groupJson,
      pending_reason: turnJson,
    },
  ]),
  [
    { type: "WAITING_FOR_PACKAGES", reason: "INSTALLING", revision: 2, packages: 3, sinceMs },
    {
      type: "CONDITION_TYPE_WAITING_FOR_PACKAGES",
      reason: "CONDITION_REASON_INSTALLING",
      since,
      revision: "2",
      pending_reason: { kind: "PENDING_KIND_PACKAGES", packages: 3 },
    },
  ],
  [
    { type: "STARTING", reason: "LAUNCHED", ...group, wait: undefined },
    { type: "CONDITION_TYPE_STARTING", reason: "CONDITION_REASON_LAUNCHED", ...groupJson },
  ],
  [
    { type: "STARTING", reason: "NOT_SERVING", ...group, wait: { kind: "notServing", problem: callFailed } },
    {
      type: "CONDITION_TYPE_STARTING",
      reason: "CONDITION_REASON_NOT_SERVING",
      ...groupJson,
      pending_reason: { kind: "PENDING_KIND_NOT_SERVING", health_problem: callFailedJson },
    },
  ],
  [
    { type: "STARTS_FAILING", reason: "BACKOFF", sinceMs, failedStarts: 2, retryAtMs: sinceMs + 4_000, last },
    {
      type: "CONDITION_TYPE_STARTS_FAILING",
      reason: "CONDITION_REASON_BACKOFF",
      since,
      failed_starts: 2,
      retry_time: "2026-01-01T00:00:04Z",
      last_failure: lastJson,
    },
  ],
  [
    { type: "STARTS_FAILING", reason: "TRYING", sinceMs, failedStarts: 0, retryAtMs: undefined, last },
    { type: "CONDITION_TYPE_STARTS_FAILING", reason: "CONDITION_REASON_TRYING", since, last_failure: lastJson },
  ],
  [
    { type: "ROLLOUT_FAILED", reason: "FAILED_STARTS", sinceMs, revision: 2, failure: { kind: "failedStarts", count: 5, last } },
    {
      type: "CONDITION_TYPE_ROLLOUT_FAILED",
      reason: "CONDITION_REASON_FAILED_STARTS",
      since,
      revision: "2",
      rollout_failure: { kind: "ROLLOUT_FAILURE_KIND_FAILED_STARTS", failed_starts: 5, last_failure: lastJson },
    },
  ],
  [
    {
      type: "ROLLED_BACK",
      reason: "PROGRESS_DEADLINE",
      sinceMs,
      revision: 2,
      to: 1,
      failure: { kind: "progressDeadline", deadlineMs: 600_000, last, waiting: { replicaId: "a-2", wait: turn } },
    },
    {
      type: "CONDITION_TYPE_ROLLED_BACK",
      reason: "CONDITION_REASON_PROGRESS_DEADLINE",
      since,
      revision: "2",
      to_revision: "1",
      rollout_failure: {
        kind: "ROLLOUT_FAILURE_KIND_PROGRESS_DEADLINE",
        progress_deadline: "600s",
        last_failure: lastJson,
        waiting_replica_id: "a-2",
        pending_reason: turnJson,
      },
    },
  ],
  [
    { type: "REPLICAS_UNSEEN", reason: "OTHER_NODE", sinceMs: undefined, replicaId: "a-1", more: 2, node: "there" },
    {
      type: "CONDITION_TYPE_REPLICAS_UNSEEN",
      reason: "CONDITION_REASON_OTHER_NODE",
      replica_id: "a-1",
      more_replicas: 2,
      node: "there",
    },
  ],
  [
    { type: "ROLLED_BACK", reason: "EARLIER_VERSION", sinceMs, revision: 2, to: 1, failure: { kind: "earlier", text: "it broke" } },
    {
      type: "CONDITION_TYPE_ROLLED_BACK",
      reason: "CONDITION_REASON_EARLIER_VERSION",
      since,
      revision: "2",
      to_revision: "1",
      rollout_failure: { kind: "ROLLOUT_FAILURE_KIND_EARLIER_VERSION", text: "it broke" },
    },
  ],
];

const troubles: readonly (readonly [StoreTrouble, object])[] = [
  [{ kind: "away" }, { kind: "STORE_TROUBLE_KIND_AWAY" }],
  [{ kind: "empty" }, { kind: "STORE_TROUBLE_KIND_EMPTY" }],
  [{ kind: "passwordMissing", said: "NOAUTH" }, { kind: "STORE_TROUBLE_KIND_PASSWORD_MISSING" }],
  [{ kind: "passwordWrong", said: "WRONGPASS" }, { kind: "STORE_TROUBLE_KIND_PASSWORD_WRONG" }],
  [{ kind: "notPermitted", said: "NOPERM" }, { kind: "STORE_TROUBLE_KIND_NOT_PERMITTED" }],
  [{ kind: "diskFailing", said: "MISCONF" }, { kind: "STORE_TROUBLE_KIND_DISK_FAILING" }],
  [{ kind: "memoryFull", said: "OOM" }, { kind: "STORE_TROUBLE_KIND_MEMORY_FULL" }],
  [{ kind: "readOnly", said: "READONLY" }, { kind: "STORE_TROUBLE_KIND_READ_ONLY" }],
  [{ kind: "loading", said: "LOADING" }, { kind: "STORE_TROUBLE_KIND_LOADING" }],
  [{ kind: "refusing", said: "BUSY" }, { kind: "STORE_TROUBLE_KIND_REFUSING" }],
];

const named = <T extends { readonly kind: string }>(samples: readonly (readonly [T, object])[]) =>
  samples.map(([fact, json]) => [fact.kind, fact, json] as const);

describe("each kind has its values on the wire", () => {
  test.each(named(endings))("of an ending: %s", (_, ending, json) => {
    expect(jsonOf(facts.EndingSchema, endingToMessage(ending))).toEqual(json);
  });
  test.each(named(healthProblems))("of a health problem: %s", (_, problem, json) => {
    expect(jsonOf(facts.HealthProblemSchema, healthProblemToMessage(problem))).toEqual(json);
  });
  test.each(named(configProblems))("of a problem with a config: %s", (_, problem, json) => {
    expect(jsonOf(facts.ConfigProblemSchema, configProblemToMessage(problem))).toEqual(json);
  });
  test.each(named(causes))("of a replica's failure: %s", (_, cause, json) => {
    const message = replicaFailureToMessage({ cause, lines: ["last"] });
    expect(jsonOf(facts.ReplicaFailureSchema, message)).toEqual({ ...json, last_lines: ["last"] });
  });
  test.each(named(waits))("of a wait: %s", (_, wait, json) => {
    expect(jsonOf(facts.PendingReasonSchema, waitToMessage(wait))).toEqual(json);
  });
  test.each(named(departures))("of a departure: %s", (_, departure, json) => {
    expect(jsonOf(facts.DepartureSchema, departureToMessage(departure))).toEqual(json);
  });
  test.each(named(troubles))("of a store's trouble: %s", (_, trouble, json) => {
    const { message, ...rest } = jsonOf(facts.StoreTroubleSchema, storeTroubleToMessage(trouble)) as { readonly message: string };
    expect(rest).toEqual(json);
    expect(message).not.toBe("");
  });
  test.each(conditions.map((sample) => [sample[0].type, ...sample] as const))("of a condition: %s", (_, condition, json) => {
    const { message, ...rest } = jsonOf(facts.ConditionSchema, conditionToMessage(condition, "a")) as { readonly message: string };
    expect(rest).toEqual(json);
    expect(message).not.toBe("");
  });
});

test("each kind of the proto is met by a kind of core", () => {
  const enums: readonly DescEnum[] = facts.file_drover_v1_facts.enums;
  const met = JSON.stringify([endings, healthProblems, configProblems, causes, waits, departures, conditions, troubles].map(wireForms));
  const unmet = enums.flatMap(({ values }) => values.filter(({ number, name }) => number !== 0 && !met.includes(`"${name}"`)));
  expect(enums.length).toBeGreaterThan(10);
  expect(unmet.map(({ name }) => name)).toEqual([]);
});

/** What is expected on the wire. */
function wireForms(samples: readonly (readonly [unknown, object])[]): readonly object[] {
  return samples.map(([, json]) => json);
}

test("a replica has the reason why it waits, goes or failed, and how it ended; a failure by ending has the ending too", () => {
  const record: ReplicaRecord = {
    id: "a-1",
    deployment: "a",
    uid: "u",
    revision: 1,
    state: "FAILED",
    waits: turn,
    departure: { kind: "failing" },
    failure: { cause: { kind: "ended", ending: { kind: "exit", code: 3 }, served: false }, lines: [] },
    killedAfterMs: 20_000,
    resources: { cpuMilli: 0, gpuMilli: 0, memoryBytes: 0 },
    gpuIndexes: [],
    address: "",
    token: "",
    createdAtMs: 0,
    sinceMs: 0,
  };
  const ending = { kind: "ENDING_KIND_EXIT", exit_code: 3 };
  expect(jsonOf(ReplicaSchema, replicaFactsToMessage(record))).toEqual({
    pending_reason: turnJson,
    departure: { kind: "DEPARTURE_KIND_FAILING" },
    failure: { kind: "REPLICA_FAILURE_KIND_ENDED", ending },
    ending,
    killed_after: "20s",
  });
  const { waits: _, departure: __, failure: ___, killedAfterMs: ____, ...plain } = record;
  expect(jsonOf(ReplicaSchema, replicaFactsToMessage(plain))).toEqual({});
  expect(jsonOf(ReplicaSchema, replicaFactsToMessage({ ...plain, ending: { kind: "signal", signal: "SIGTERM" } }))).toEqual({
    ending: { kind: "ENDING_KIND_SIGNAL", signal: "SIGTERM" },
  });
});
