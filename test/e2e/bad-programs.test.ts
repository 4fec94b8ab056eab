import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeploymentState, type DeploymentStatus } from "../../gen/drover/v1/deployment_pb.ts";
import {
  ConditionReason,
  ConditionType,
  ConfigProblemKind,
  EndingKind,
  type EndingSchema,
  type ReplicaFailure,
  ReplicaFailureKind,
} from "../../gen/drover/v1/facts_pb.ts";
import { conditionOf, lastFailureOf } from "./conditions.ts";
import { Drover, fixturePath, until } from "./drover.ts";

/** The fifth failed start is tried again within this. */
const mendedMs = 120_000;

let drover: Drover;
beforeAll(async () => {
  drover = await Drover.start();
});
afterAll(() => drover.close());

/** Deploys a program that does not start; returns its status once a start has failed. */
async function failedStatus(name: string, spec: Record<string, unknown>): Promise<DeploymentStatus> {
  await drover.controller.deploy({ spec: { name, version: "1", resources: { numCpus: 0.01 }, ...spec } });
  return until(`the failure of ${name} is told`, async () => {
    const { status } = (await drover.controller.getDeployment({ name })).deployment ?? {};
    expect(status?.state).not.toBe(DeploymentState.HEALTHY);
    return lastFailureOf(status) && status;
  });
}

type Failure = Partial<Record<keyof ReplicaFailure, unknown>>;
const ended = (ending: MessageInitShape<typeof EndingSchema>, ...lines: readonly string[]): Failure => ({
  kind: ReplicaFailureKind.ENDED,
  ending,
  ...(lines.length === 0 ? {} : { lastLines: expect.arrayContaining(lines.map((line) => expect.stringContaining(line))) }),
});
const exited = (exitCode: number, ...lines: readonly string[]) => ended({ kind: EndingKind.EXIT, exitCode }, ...lines);
const neverServed: Failure = { kind: ReplicaFailureKind.STARTUP_TIMEOUT, startupTimeout: { seconds: 1n } };
const refusedConfig = (text: string): Failure => ({
  kind: ReplicaFailureKind.CONFIG_REFUSED,
  configProblem: { kind: ConfigProblemKind.REFUSED, message: expect.stringContaining(text) },
});
const notStarted = (text: string): Failure => ({
  kind: ReplicaFailureKind.ENDED,
  ending: { kind: EndingKind.FAILED_TO_START, cause: expect.stringContaining(text) },
});
const mebibytes = (count: number) => BigInt(count) * 2n ** 20n;

const module = (name: string) => ({ program: { kind: { case: "module", value: { path: fixturePath(name) } } } });
const hungry = (beside: boolean, memory: number) => {
  const resources = { numCpus: 0.01, memoryBytes: mebibytes(memory) };
  return { ...module("hungry.ts"), initArgs: { beside }, resources };
};
const command = (...argv: string[]) => ({ program: { kind: { case: "command", value: { argv } } } });

test.each([
  ["missing", module("nowhere.ts"), exited(1, "nowhere.ts")],
  ["throws", module("throws.ts"), exited(1, "broken on import")],
  ["exits", module("exits.ts"), exited(7, "I leave")],
  ["prints", module("prints.ts"), exited(1, "the last line")],
  ["hangs", { ...module("hangs.ts"), startupTimeout: { seconds: 1n } }, neverServed],
  [
    "refuses",
    { ...module("program.ts"), userConfig: { kind: { case: "stringValue", value: "refuse" } } },
    refusedConfig("I do not like this config"),
  ],
  ["no-config", { ...module("late.ts"), userConfig: { kind: { case: "boolValue", value: true } } }, refusedConfig("reconfigure")],
  ["leaves", command("sh", "-c", "setsid sleep 1000 & exit 0"), exited(0)],
  ["binary", command("sh", "-c", "head -c 100000 /dev/urandom >&2; printf '\\nthe reason\\n' >&2; exit 3"), exited(3, "the reason")],
  ["not-found", command("no-such-program-anywhere"), notStarted("no-such-program-anywhere")],
  ["no-folder", { ...command("true"), runtimeEnv: { workingDir: "/no/such/folder" } }, notStarted("/no/such/folder")],
  ["heap", hungry(false, 640), ended({ kind: EndingKind.HEAP_FULL, boundBytes: mebibytes(640) })],
  ["memory", hungry(true, 256), ended({ kind: EndingKind.OVER_MEMORY, boundBytes: mebibytes(256) })],
  ["not-grpc", { ...command("sleep", "600"), startupTimeout: { seconds: 1n } }, neverServed],
])("a program that will not start says why: %s", async (name, spec, failure) => {
  const status = await failedStatus(name, spec);
  expect(lastFailureOf(status)).toMatchObject({ revision: 1n, failure: { ...failure, served: false } });
  expect(status.message.length).toBeLessThan(5_000);
});

test("five failed starts in a row fail the deployment, and it recovers by itself when the cause goes away", {
  timeout: 240_000,
}, async () => {
  const mendedBy = join(drover.dataDir, "mended");
  const failed = await drover.deploy("mended", { runtimeEnv: { envVars: { MENDED_BY: mendedBy } } }, "mended.ts");
  expect(failed.status).toMatchObject({ state: DeploymentState.DEPLOY_FAILED, runningReplicas: 0 });
  const { reason, rolloutFailure } = conditionOf(failed.status, ConditionType.ROLLOUT_FAILED) ?? {};
  expect({ reason, failedStarts: rolloutFailure?.failedStarts }).toEqual({ reason: ConditionReason.FAILED_STARTS, failedStarts: 5 });
  expect(lastFailureOf(failed.status)?.failure).toMatchObject(exited(1, "broken on import"));
  await expect(drover.invoke("mended", "", null)).rejects.toThrow('no replica of "mended" runs, and its rollout has failed');
  await writeFile(mendedBy, "");
  const mended = await until("it is mended", () => stateOf("mended", DeploymentState.HEALTHY), mendedMs);
  expect(mended.status).toMatchObject({ runningReplicas: 1, generation: 1n });
  expect(await drover.invoke("mended", "", null)).toBe("whole again");
});

/** The deployment, once it is in this state. */
async function stateOf(name: string, state: DeploymentState) {
  const { deployment } = await drover.controller.getDeployment({ name });
  return deployment?.status?.state === state && deployment;
}

test("a program that listens late serves in the end", async () => {
  await drover.deploy("late", {}, "late.ts");
  expect(await drover.invoke("late", "", null)).toBe("better late");
});

test.each([
  ["Bad_Name", { name: "Bad_Name" }, "spec.name"],
  ["too long", { name: "a".repeat(64) }, "spec.name"],
  ["NaN CPUs", { resources: { numCpus: Number.NaN } }, "spec.resources.num_cpus"],
  ["negative CPUs", { resources: { numCpus: -1 } }, "spec.resources.num_cpus"],
  ["GPUs too fine", { resources: { numGpus: 0.3333333 } }, "spec.resources.num_gpus"],
  ["negative replicas", { numReplicas: -1 }, "spec.num_replicas"],
  ["absurd replicas", { numReplicas: 1_000_000 }, "spec.num_replicas"],
  ["both scalings", { numReplicas: 1, autoscalingConfig: { minReplicas: 1 } }, "spec"],
  ["no program", { program: undefined }, "spec.program"],
  ["a NUL in an argument", command("sleep", "1\u0000"), "spec.program.command.argv[1]"],
  ["a NUL in a variable", { runtimeEnv: { envVars: { A: "\u0000" } } }, 'spec.runtime_env.env_vars["A"]'],
  ["an empty program", command(""), "spec.program.command.argv[0]"],
  ["a reserved variable", { runtimeEnv: { envVars: { DROVER_TOKEN: "x" } } }, "spec.runtime_env.env_vars"],
])("a bad spec is refused with its field and nothing is written: %s", async (_, change, field) => {
  const spec = { name: "bad-spec", ...command("true"), ...change } as never;
  const error = await drover.controller.deploy({ spec }).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
  const violations = (error as { facts: { violations: readonly { field: string }[] } }).facts.violations;
  expect(violations.map((violation) => violation.field)).toContain(field);
  await expect(drover.controller.getDeployment({ name: "bad-spec" })).rejects.toMatchObject({ reason: "DEPLOYMENT_NOT_FOUND" });
});

test("a request over the message limit is refused with its size, and the server goes on", async () => {
  const initArgs = { kind: { case: "stringValue" as const, value: "x".repeat(5_000_000) } };
  const spec = { name: "big", ...command("true"), initArgs } as never;
  const error = await drover.controller.deploy({ spec }).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "MESSAGE_TOO_LARGE" });
  expect((error as Error).message).toMatch(/ 50000\d\d bytes.* 4194304 /);
  expect((await drover.controller.getCluster({})).controllers).toHaveLength(1);
});

test("the largest message is the deployment's own bound, at the gateway and in the replica, and the replica goes on", async () => {
  await drover.deploy("measures", { maxMessageBytes: 1_000_000n });
  const error = await drover.invoke("measures", "echo", "x".repeat(1_000_000)).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "MESSAGE_TOO_LARGE" });
  expect((error as Error).message).toMatch(/ 10000\d\d bytes.* 1000000 /);
  expect(await drover.invoke("measures", "echo", "short")).toMatchObject({ input: "short" });
  expect(await drover.invoke("measures", "environment", ["DROVER_MAX_MESSAGE_BYTES"])).toEqual({ DROVER_MAX_MESSAGE_BYTES: "1000000" });
  expect((await drover.controller.getCluster({})).maxMessageBytes).toBe(64n * 2n ** 20n);
});
