import { expect, test } from "vitest";
import { DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { refusal } from "../../src/core/errors.ts";
import { type ControllerHandlers, conditionsOf, deploymentOf, folder, type Run, serve } from "./harness.ts";

type Facts = Parameters<typeof deploymentOf>[1];

/** A controller of one deployment, whose state the test sets. */
function controllerOf(name: string) {
  let changed = Promise.withResolvers<void>();
  let now: Facts | "gone" = { state: DeploymentState.UPSCALING, runningReplicas: 0, updatedReplicas: 0 };
  const set = (next: typeof now) => {
    now = next;
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const updated = (facts: Facts) => ({ event: { case: "deploymentUpdated" as const, value: deploymentOf(name, facts) } });
  const deleted: string[] = [];
  const handlers: ControllerHandlers = {
    apply: () => ({ results: [{ deployment: deploymentOf(name) }] }),
    async *watchDeployments(_, { signal }) {
      const left = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      if (now !== "gone") yield updated(now);
      yield { event: { case: "synced", value: {} } };
      while (!signal.aborted) {
        const next = changed.promise;
        await Promise.race([next, left]);
        if (now === "gone") yield { event: { case: "deploymentDeleted", value: name } };
        else yield updated(now);
      }
    },
    async *watchLogs(request, { signal }) {
      yield { replicaId: `${name}-1`, line: `follows ${request.follow}` };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    deleteDeployment: ({ uid, allowMissing }) => {
      if (now === "gone") return {};
      deleted.push(`${uid} ${allowMissing}`);
      set({ state: DeploymentState.DELETING });
      return { deployment: deploymentOf(name, { state: DeploymentState.DELETING }) };
    },
  };
  return { handlers, set, deleted };
}

/** Runs `drover run --attach`; `onPrint` is called with all that was printed so far. */
async function attached(handlers: ControllerHandlers, onPrint: (all: string) => void, interrupted?: AbortSignal): Promise<Run> {
  const run = await serve(handlers);
  let all = "";
  const heard = (text: string) => {
    all += text;
    onPrint(all);
  };
  const cwd = await folder({});
  return run(["run", "--attach", "--name", "a", "--", "./a"], { cwd, onPrint: heard, ...(interrupted && { interrupted }) });
}

test("run --attach shows logs while it runs; Ctrl-C deletes what was deployed, and waits until it is gone", async () => {
  const { handlers, set, deleted } = controllerOf("a");
  const interrupt = new AbortController();
  const ended = await attached(
    handlers,
    (all) => {
      if (all.endsWith("follows true\n") && !all.includes("HEALTHY")) set({});
      if (all.includes("attached to a") && !interrupt.signal.aborted) interrupt.abort();
      if (all.endsWith("a  DELETING  2/2 running\n")) set("gone");
    },
    interrupt.signal,
  );
  expect(ended.exitCode).toBe(130);
  expect(ended.stdout).toBe("a-1  follows true\na  HEALTHY  2/2 running\na  deleted\n");
  expect(ended.stderr).not.toContain("error");
  expect(deleted).toEqual(["uid-of-a true"]);
});

test("Ctrl-C while it starts deletes it, too", async () => {
  const { handlers, set, deleted } = controllerOf("a");
  const interrupt = new AbortController();
  const ended = await attached(
    handlers,
    (all) => {
      if (all.includes("UPSCALING")) interrupt.abort();
      if (all.endsWith("a  DELETING  2/2 running\n")) set("gone");
    },
    interrupt.signal,
  );
  expect(ended).toMatchObject({ exitCode: 130, stdout: expect.stringMatching(/a {2}deleted\n$/) });
  expect(deleted).toHaveLength(1);
});

test("what does not become healthy is deleted, and the cause is the error", async () => {
  const { handlers, set, deleted } = controllerOf("a");
  const ended = await attached(handlers, (all) => {
    if (all.endsWith("follows true\n")) set({ state: DeploymentState.DEPLOY_FAILED, conditions: conditionsOf({ message: "exit code 3" }) });
    if (all.endsWith("a  DELETING  2/2 running\n")) set("gone");
  });
  expect(ended).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("exit code 3") });
  expect(deleted).toHaveLength(1);
});

test("what is deleted by somebody else ends it", async () => {
  const { handlers, set, deleted } = controllerOf("a");
  const ended = await attached(handlers, (all) => {
    if (all.endsWith("follows true\n")) set({});
    if (all.endsWith("deletes it\n")) set("gone");
  });
  expect(ended).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("a: was deleted") });
  expect(deleted).toEqual([]);
});

test("where it cannot be deleted, that is said beside the cause", async () => {
  const { handlers } = controllerOf("a");
  const failing: ControllerHandlers = {
    ...handlers,
    // biome-ignore lint/correctness/useYield: it fails at once
    async *watchLogs() {
      throw refusal("REPLICA_NOT_FOUND", "no logs");
    },
    deleteDeployment: () => {
      throw refusal("CONFLICT", "not now");
    },
  };
  const ended = await attached(failing, () => {});
  expect(ended).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/no logs[\s\S]*not now/) });
});

test("a dry run has nothing to attach to", async () => {
  const { handlers } = controllerOf("a");
  const run = await serve(handlers);
  expect(await run(["run", "--attach", "--dry-run", "--", "./a"], { cwd: await folder({}) })).toMatchObject({ exitCode: 2 });
});
