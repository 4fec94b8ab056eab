import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import type { WatchDeploymentsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { Effect } from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionType } from "../../gen/drover/v1/facts_pb.ts";
import { invalid, refusal } from "../../src/core/errors.ts";
import { type ControllerHandlers, conditionsOf, deploymentOf, folder, nowMs, serve } from "./harness.ts";

const files = {
  "app.yaml": "name: a\nprogram: { command: { argv: [a] } }\nnum_replicas: 2\n",
  "two.yaml": "name: a\nprogram: { command: { argv: [a] } }\n---\nname: b\nprogram: { command: { argv: [b] } }\n",
};

type Apply = NonNullable<ControllerHandlers["apply"]>;
type Watch = NonNullable<ControllerHandlers["watchDeployments"]>;
type Facts = Parameters<typeof deploymentOf>[1];

const updated = (name: string, facts: Facts = {}) => ({ event: { case: "deploymentUpdated" as const, value: deploymentOf(name, facts) } });
const deleted = (name: string) => ({ event: { case: "deploymentDeleted" as const, value: name } });
const synced = { event: { case: "synced" as const, value: {} } };

/** Accepts all specs as generation 2 and remembers what was asked. */
function applying(asked: string[] = []): Apply {
  return ({ specs, validateOnly }) => {
    asked.push(`${specs.map(({ name }) => name).join(" ")}${validateOnly ? " (check)" : ""}`);
    return { results: specs.map(({ name }) => ({ deployment: deploymentOf(name, { generation: 2n }) })) };
  };
}

/** A watch that sends these and then nothing until the caller leaves. */
function watching(...events: readonly MessageInitShape<typeof WatchDeploymentsResponseSchema>[]): Watch {
  return async function* (_, { signal }) {
    yield* events;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  };
}

test("deploy waits until the deployment is healthy at its generation, with a line for each change that is not of numbers alone", async () => {
  const asked: string[] = [];
  const rollingOut = (runningReplicas: number, type: ConditionType, message: string) => {
    const facts = { generation: 2n, observedGeneration: 2n, state: DeploymentState.UPDATING, conditions: conditionsOf({ type, message }) };
    return updated("a", { ...facts, runningReplicas, updatedReplicas: runningReplicas });
  };
  const run = await serve({
    apply: applying(asked),
    watchDeployments: watching(
      updated("a", { generation: 2n, observedGeneration: 1n }),
      synced,
      rollingOut(0, ConditionType.STARTING, "starting a-x7k2p and 1 more"),
      rollingOut(1, ConditionType.STARTING, "starting a-b3d4e"),
      rollingOut(1, ConditionType.NO_CAPACITY, "CPU: wants 1, 0 of 2 free"),
      updated("a", { generation: 2n, observedGeneration: 2n }),
    ),
  });
  expect(await run(["deploy", "app.yaml"], { cwd: await folder(files) })).toEqual({
    exitCode: 0,
    stdout: "a  HEALTHY  2/2 running\n",
    stderr: [
      "a  HEALTHY  2/2 running",
      "a  UPDATING  [----------] 0/2 new, 0 old, 0 available  starting a-x7k2p and 1 more",
      "a  UPDATING  [#####-----] 1/2 new, 0 old, 1 available  CPU: wants 1, 0 of 2 free\n",
    ].join("\n"),
  });
  expect(asked).toEqual(["a"]);
});

test("on a terminal the progress is one line, rewritten, and gone at the end", async () => {
  const run = await serve({
    apply: applying(),
    watchDeployments: watching(
      updated("a", { state: DeploymentState.UPSCALING, runningReplicas: 0 }),
      synced,
      updated("a", { state: DeploymentState.UPSCALING, runningReplicas: 1 }),
      updated("a", { observedGeneration: 2n }),
    ),
  });
  const { stderr } = await run(["deploy", "app.yaml"], { cwd: await folder(files), terminal: true, env: { NO_COLOR: "1" } });
  const up = "\u001b[1A\u001b[0J";
  expect(stderr).toBe(`a  UPSCALING  0/2 running\n${up}a  UPSCALING  1/2 running\n${up}`);
});

test("on a terminal printed lines are not repeated in the line of the progress", async () => {
  const run = await serve({
    apply: applying(),
    watchDeployments: watching(
      updated("a", { state: DeploymentState.UPSCALING, runningReplicas: 1 }),
      updated("b", { state: DeploymentState.UPSCALING, runningReplicas: 0 }),
      synced,
      updated("a", { observedGeneration: 2n }),
      updated("b", { state: DeploymentState.UPSCALING, runningReplicas: 1 }),
      updated("b", { observedGeneration: 2n }),
    ),
  });
  const { stderr } = await run(["deploy", "two.yaml"], { cwd: await folder(files), terminal: true, env: { NO_COLOR: "1" } });
  const [, after = ""] = stderr.split("b  UPSCALING  0/2 running\n");
  expect(after).toBe("\u001b[2A\u001b[0Jb  UPSCALING  1/2 running\n\u001b[1A\u001b[0J");
});

test("a deployment that fails ends the wait with 1 and the program's last lines", async () => {
  const facts = {
    state: DeploymentState.DEPLOY_FAILED,
    runningReplicas: 0,
    conditions: conditionsOf({ message: "last failure (5 failed starts in a row): exit code 1\nTypeError: no model\n  in load" }),
  };
  const run = await serve({
    apply: applying(),
    watchDeployments: watching(updated("a", { observedGeneration: 2n, ...facts })),
  });
  const { exitCode, stdout, stderr } = await run(["deploy", "app.yaml"], { cwd: await folder(files) });
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain(
    "error: a: DEPLOY_FAILED: 0 of 2 running; last failure (5 failed starts in a row): exit code 1\n  TypeError: no model\n    in load\n",
  );
});

test("what failed at an older generation is not this deploy's failure", async () => {
  const run = await serve({
    apply: applying(),
    watchDeployments: watching(
      updated("a", { observedGeneration: 1n, state: DeploymentState.DEPLOY_FAILED }),
      synced,
      updated("a", { observedGeneration: 2n, state: DeploymentState.HEALTHY }),
    ),
  });
  expect(await run(["deploy", "app.yaml"], { cwd: await folder(files) })).toMatchObject({ exitCode: 0 });
});

test("a deployment that is deleted, or is another one of its name, ends the wait with 1", async () => {
  for (const last of [
    deleted("a"),
    { event: { case: "deploymentUpdated" as const, value: { ...deploymentOf("a", { observedGeneration: 9n }), uid: "another" } } },
  ]) {
    const run = await serve({ apply: applying(), watchDeployments: watching(updated("a"), synced, last) });
    expect(await run(["deploy", "app.yaml"], { cwd: await folder(files) })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("error: a: was deleted during the wait"),
    });
  }
});

test("a deployment that is gone before the watch begins is not waited for", async () => {
  const run = await serve({ apply: applying(), watchDeployments: watching(synced) });
  expect(await run(["deploy", "app.yaml"], { cwd: await folder(files) })).toMatchObject({
    exitCode: 1,
    stderr: "error: a: was deleted during the wait\n",
  });
});

test("a wait longer than --timeout ends with 1, says how it is, and that it goes on", async () => {
  const run = await serve({
    apply: applying(),
    watchDeployments: watching(
      updated("a", { state: DeploymentState.UPDATING, conditions: conditionsOf({ message: "a-1 wants 8 CPUs" }) }),
      synced,
    ),
  });
  const { exitCode, stderr } = await run(["deploy", "app.yaml", "--timeout", "300ms"], { cwd: await folder(files) });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /error: a: not done after \S+: UPDATING: 2 of 2 running; a-1 wants 8 CPUs\n {2}a goes on without you: `drover status` shows how\n$/,
  );
});

test("Ctrl-C in a wait ends with 130 and says that the deployment goes on", async () => {
  const interrupt = new AbortController();
  const run = await serve({ apply: applying(), watchDeployments: watching(updated("a", { state: DeploymentState.UPDATING }), synced) });
  const ended = await run(["deploy", "app.yaml"], {
    cwd: await folder(files),
    interrupted: interrupt.signal,
    onPrint: () => interrupt.abort(),
  });
  expect(ended).toMatchObject({ exitCode: 130, stderr: expect.stringContaining("error: interrupted: a goes on without you") });
});

test("a watch that expired is opened again", async () => {
  let watches = 0;
  const run = await serve({
    apply: applying(),
    async *watchDeployments() {
      watches += 1;
      if (watches === 1) throw refusal("WATCH_EXPIRED", "too slow");
      yield updated("a", { observedGeneration: 2n });
    },
  });
  expect(await run(["deploy", "app.yaml"], { cwd: await folder(files) })).toMatchObject({ exitCode: 0 });
  expect(watches).toBe(2);
});

test("a controller that stops during the wait is said, and that the deployment goes on", async () => {
  const run = await serve({
    apply: applying(),
    // biome-ignore lint/correctness/useYield: it fails at once
    async *watchDeployments() {
      throw refusal("SHUTTING_DOWN", "this server is shutting down");
    },
  });
  const { exitCode, stderr } = await run(["deploy", "app.yaml"], { cwd: await folder(files) });
  expect(exitCode).toBe(1);
  expect(stderr).toContain("error: UNAVAILABLE: this server is shutting down\n");
  expect(stderr).toContain("a goes on without you");
});

test("several specs are deployed in one call, all or none; errors have file and line", async () => {
  const asked: string[] = [];
  const accepting = await serve({ apply: applying(asked) });
  const cwd = await folder(files);
  expect(await accepting(["deploy", "two.yaml", "--no-wait"], { cwd })).toEqual({
    exitCode: 0,
    stdout: "a  deployed  generation 2\nb  deployed  generation 2\n",
    stderr: "",
  });
  expect(asked).toEqual(["a b"]);
  const refusing = await serve({
    apply: () => {
      throw invalid([
        { field: "specs[0].name", description: "is taken" },
        { field: "specs[2].program.module.path", description: "there is no such file" },
        { field: "specs", description: "are too many" },
      ]);
    },
  });
  expect(
    await refusing(["deploy", "app.yaml", "two.yaml", "--no-wait"], { cwd: await folder({ ...files, "app.yaml": "name: c\n" }) }),
  ).toEqual({
    exitCode: 1,
    stdout: "",
    stderr:
      "error: app.yaml:1: spec.name: is taken\n  two.yaml:5: spec.program.module.path: there is no such file\n  specs: are too many\n",
  });
});

test("a dry run changes nothing and shows what would be as a diff, or as JSON", async () => {
  const asked: string[] = [];
  const run = await serve({
    apply: ({ specs, prune, validateOnly }) => {
      asked.push(`${specs.length}${prune ? " prune" : ""}${validateOnly ? " (check)" : ""}`);
      const changes = [{ field: "resources.num_cpus", effect: Effect.ROLLOUT, before: "1", after: "2" }];
      return {
        results: [
          { deployment: deploymentOf("a", { generation: 2n }), effect: Effect.NONE },
          { deployment: deploymentOf("b", { generation: 2n }), effect: Effect.ROLLOUT, changes },
        ],
        pruned: prune ? ["c", "d"] : [],
      };
    },
  });
  const cwd = await folder(files);
  const diff =
    "a  NONE  nothing would change\nb  ROLLOUT  its replicas would be replaced\n  resources.num_cpus  (ROLLOUT)\n    - 1\n    + 2\n";
  expect((await run(["deploy", "two.yaml", "--dry-run"], { cwd })).stdout).toBe(diff);
  expect((await run(["deploy", "two.yaml", "--dry-run", "--prune"], { cwd })).stdout).toBe(
    `${diff}c  prune  it would be deleted\nd  prune  it would be deleted\n`,
  );
  expect(JSON.parse((await run(["deploy", "two.yaml", "--dry-run", "--prune", "-o", "json"], { cwd })).stdout)).toMatchObject({
    results: [
      { effect: "EFFECT_NONE", changes: [] },
      { effect: "EFFECT_ROLLOUT", changes: [{ field: "resources.num_cpus" }] },
    ],
    pruned: ["c", "d"],
  });
  expect(asked).toEqual(["2 (check)", "2 prune (check)", "2 prune (check)"]);
  expect(await run(["deploy", "two.yaml", "-o", "json"], { cwd })).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("needs --dry-run"),
  });
});

test("pruned deployments are printed, and waited for until they are gone", async () => {
  const run = await serve({
    apply: (request, context) => ({ ...(applying()(request, context) as object), pruned: request.prune ? ["b"] : [] }),
    watchDeployments: watching(
      updated("a", { generation: 2n, observedGeneration: 2n }),
      updated("b", { state: DeploymentState.DELETING }),
      synced,
      deleted("b"),
    ),
  });
  const cwd = await folder(files);
  expect(await run(["deploy", "app.yaml", "--prune"], { cwd })).toMatchObject({
    exitCode: 0,
    stdout: "a  HEALTHY  2/2 running\nb  deleted\n",
  });
  expect(await run(["deploy", "app.yaml", "--prune", "--no-wait"], { cwd })).toMatchObject({
    exitCode: 0,
    stdout: "a  deployed  generation 2\nb  deleting\n",
  });
});

test("standard input is a file like any other", async () => {
  const asked: string[] = [];
  const run = await serve({ apply: applying(asked) });
  expect(await run(["deploy", "-", "--no-wait"], { stdin: files["app.yaml"] })).toMatchObject({
    exitCode: 0,
    stdout: "a  deployed  generation 2\n",
  });
  expect(asked).toEqual(["a"]);
});

test("a wrong file deploys nothing", async () => {
  const asked: string[] = [];
  const run = await serve({ apply: applying(asked) });
  const cwd = await folder({ "app.yaml": "name: a\nprogram: { modul: { path: a.ts } }" });
  expect(await run(["deploy", "app.yaml"], { cwd })).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: "error: app.yaml:2: spec.program.modul: no such field; did you mean module?\n",
  });
  expect(asked).toEqual([]);
});

test("a deployment that follows its load is not scaled, and the error names the commands to use", async () => {
  const run = await serve({
    scale: () => {
      throw refusal("AUTOSCALED", "it follows its load", { metadata: { deployment: "a" } });
    },
  });
  const { exitCode, stderr } = await run(["scale", "a", "4"]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /^error: FAILED_PRECONDITION: it follows its load\n {2}`drover explain a` shows .*`drover get a` shows the bounds/,
  );
});

test("scale sets the number and waits for it", async () => {
  const asked: unknown[] = [];
  const run = await serve({
    scale: ({ name, numReplicas }) => {
      asked.push([name, numReplicas]);
      return { deployment: deploymentOf(name, { generation: 3n }) };
    },
    watchDeployments: watching(updated("a"), synced, updated("a", { observedGeneration: 3n, targetReplicas: 0, runningReplicas: 0 })),
  });
  expect(await run(["scale", "a", "0"])).toMatchObject({ exitCode: 0, stdout: "a  HEALTHY  0/0 running\n" });
  expect(await run(["scale", "a", "4", "--no-wait"])).toMatchObject({ exitCode: 0, stdout: "a  4 wanted\n" });
  expect(asked).toEqual([
    ["a", 0],
    ["a", 4],
  ]);
});

test("delete waits until all are gone, also those that were gone before the watch began", async () => {
  const run = await serve({
    deleteDeployment: ({ name }) => ({ deployment: deploymentOf(name, { state: DeploymentState.DELETING }) }),
    watchDeployments: watching(
      updated("a", { state: DeploymentState.DELETING, conditions: conditionsOf({ message: "2 replicas finish their requests" }) }),
      synced,
      deleted("a"),
    ),
  });
  expect(await run(["delete", "a", "b"])).toEqual({
    exitCode: 0,
    stdout: "b  deleted\na  deleted\n",
    stderr: "a  DELETING  2/2 running  2 replicas finish their requests\n",
  });
});

test("delete goes on past a name that is not there, and ends with 1", async () => {
  const run = await serve({
    deleteDeployment: ({ name, allowMissing }) => {
      if (name !== "none") return { deployment: deploymentOf(name) };
      if (allowMissing) return {};
      throw refusal("DEPLOYMENT_NOT_FOUND", 'no deployment "none"');
    },
    watchDeployments: watching(synced),
  });
  expect(await run(["delete", "none", "a"])).toMatchObject({
    exitCode: 1,
    stdout: "a  deleted\n",
    stderr: expect.stringContaining('NOT_FOUND: no deployment "none"'),
  });
  expect(await run(["delete", "none", "--allow-missing"])).toMatchObject({ exitCode: 0, stdout: "none  was not there\n" });
  expect(await run(["delete", "a", "--no-wait"])).toMatchObject({ exitCode: 0, stdout: "a  deleting\n" });
});

test("revisions are listed over all pages, and a rollback goes to the one named", async () => {
  const asked: unknown[] = [];
  const run = await serve({
    listRevisions: ({ pageToken }) =>
      pageToken === ""
        ? {
            revisions: [
              { revision: 2n, spec: { version: "b" }, current: true, runningReplicas: 3, createTime: timestampFromMs(nowMs - 60_000) },
            ],
            nextPageToken: "more",
          }
        : { revisions: [{ revision: 1n, wasHealthy: true, createTime: timestampFromMs(nowMs - 3_600_000) }] },
    rollback: (request) => {
      asked.push([request.name, request.revision]);
      return { deployment: { spec: { name: request.name }, status: { revision: 1n } } };
    },
  });
  expect((await run(["revisions", "a"])).stdout.split("\n").map((line) => line.split(/\s{2,}/))).toEqual([
    ["REVISION", "VERSION", "RUNNING", "WAS HEALTHY", "AGE"],
    ["2", "b", "3", "no", "1m", "current"],
    ["1", "-", "0", "yes", "1h"],
    [""],
  ]);
  expect(await run(["rollback", "a", "--to", "1", "--no-wait"])).toMatchObject({ exitCode: 0, stdout: "a  going back to revision 1\n" });
  expect(await run(["rollback", "a", "--no-wait"])).toMatchObject({ exitCode: 0 });
  expect(await run(["rollback", "a", "--to", "0"])).toMatchObject({ exitCode: 2 });
  expect(asked).toEqual([
    ["a", 1n],
    ["a", 0n],
  ]);
});
