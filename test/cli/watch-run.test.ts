import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, onTestFinished, test } from "vitest";
import { type Deployment, DeploymentSchema, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionType } from "../../gen/drover/v1/facts_pb.ts";
import { FolderWatch } from "../../src/bundle/folder-watch.ts";
import { CliError, usage } from "../../src/cli/cli-error.ts";
import { Session } from "../../src/cli/session.ts";
import { type LoadedProgram, type WatchedProgram, WatchRun } from "../../src/cli/watch-run.ts";
import { realClock } from "../../src/clock/real.ts";
import { StatusError } from "../../src/core/errors.ts";
import { until } from "../kit/until.ts";
import { conditionsOf, deploymentOf, folder, ioOf, serveAt } from "./harness.ts";

type Facts = Parameters<typeof deploymentOf>[1];

/** A controller of the deployment `a`, whose state the test sets. */
function controllerOf() {
  let changed = Promise.withResolvers<void>();
  let now: MessageInitShape<typeof DeploymentSchema> | undefined;
  const set = (facts: Facts | undefined) => {
    now = facts && deploymentOf("a", facts);
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const handlers = {
    async *watchDeployments(_: unknown, { signal }: { readonly signal: AbortSignal }) {
      const left = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      for (let first = true; !signal.aborted; first = false) {
        const next = changed.promise;
        if (now === undefined) yield { event: { case: "deploymentDeleted" as const, value: "a" } };
        else yield { event: { case: "deploymentUpdated" as const, value: now } };
        if (first) yield { event: { case: "synced" as const, value: {} } };
        await Promise.race([next, left]);
      }
    },
    async *watchLogs(_: unknown, { signal }: { readonly signal: AbortSignal }) {
      yield { replicaId: "a-1", line: "hello" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  };
  return { handlers, set };
}

interface Scene {
  readonly root: string;
  readonly printed: { readonly stdout: string; readonly stderr: string };
  readonly set: (facts: Facts | undefined) => void;
  readonly deploys: Deployment[];
  /** How often the program was read. */
  readonly reads: () => number;
  readonly ended: Promise<void>;
  interrupt(): Promise<void>;
}

/**
 * Watches a folder of one file. `deploy` gives what the controller answers to the deploy of that
 * number, which is set as the state of the deployment, too.
 */
async function watching(
  deploy: (text: string, number: number) => Facts | Promise<Facts>,
  load: (text: string, signal: AbortSignal) => void | Promise<void> = () => {},
): Promise<Scene> {
  const root = await folder({ "app.ts": "1" });
  const { handlers, set } = controllerOf();
  const address = await serveAt(handlers);
  const interrupt = new AbortController();
  const { io, printed } = ioOf({ interrupted: interrupt.signal, env: { DROVER_API: address } });
  const session = new Session({ ...io, nowMs: () => realClock.nowMs() }, {});
  const deploys: Deployment[] = [];
  let reads = 0;
  const folders = [{ folder: root, leavesOut: () => false }];
  const program: WatchedProgram = {
    folder: root,
    findFolders: async () => folders,
    async load(_, __, signal): Promise<LoadedProgram> {
      const text = await readFile(join(root, "app.ts"), "utf8");
      reads += 1;
      await load(text, signal);
      return {
        size: "1 file",
        folders,
        files: new Map([["app.ts", text]]),
        async deploy() {
          const facts = await deploy(text, deploys.length + 1);
          const deployment = create(DeploymentSchema, deploymentOf("a", facts));
          set(facts);
          deploys.push(deployment);
          return { deployed: [deployment], pruned: [] };
        },
      };
    },
    prepare: () => {},
    close: () => {},
  };
  const run = new WatchRun(session, program, new FolderWatch(session.io), "leaves it running");
  const ended = run.run();
  ended.catch(() => {});
  onTestFinished(async () => {
    interrupt.abort();
    await ended.catch(() => {});
    session.close();
  });
  return {
    ...{ root, printed, set, deploys, ended },
    reads: () => reads,
    interrupt: () => {
      interrupt.abort();
      return ended;
    },
  };
}

const revisionOf = (number: number, facts: Facts = {}): Facts => {
  const count = BigInt(number);
  return { generation: count, observedGeneration: count, revision: count, ...facts };
};
const save = (root: string, text: string) => writeFile(join(root, "app.ts"), text);

test("each save is deployed, with its file named; a save that changes nothing is not; Ctrl-C ends it", async () => {
  const scene = await watching((_, number) => revisionOf(number));
  await until(() => scene.printed.stderr.includes("serves"));
  await until(() => scene.printed.stdout.includes("a-1  hello"));
  await save(scene.root, "2");
  await until(() => scene.deploys.length === 2 && scene.printed.stderr.includes("app.ts: serves"));
  await save(scene.root, "2");
  await until(() => scene.printed.stderr.includes("nothing has changed"));
  await save(scene.root, "3");
  await until(() => scene.deploys.length === 3);
  await scene.interrupt();
  expect(scene.deploys).toHaveLength(3);
});

test("a file that is written again as it is while its revision starts is no save of its own", async () => {
  const scene = await watching((_, number) => revisionOf(number, number === 1 ? {} : { state: DeploymentState.UPDATING }));
  await until(() => scene.printed.stderr.includes("serves"));
  await save(scene.root, "2");
  await until(() => scene.deploys.length === 2);
  const reads = scene.reads();
  await save(scene.root, "2");
  await until(() => scene.reads() > reads);
  scene.set(revisionOf(2));
  await until(() => scene.printed.stderr.includes("app.ts: serves"));
  expect(scene.deploys).toHaveLength(2);
});

test("a revision that does not start is explained, and the one before goes on; the next save is deployed at once", async () => {
  const failing = conditionsOf({
    type: ConditionType.STARTS_FAILING,
    failedStarts: 1,
    message: "last failure: exit code 3\nTypeError: boom\n  at app.ts:7",
  });
  const scene = await watching((text, number) =>
    revisionOf(number, text === "bad" ? { state: DeploymentState.UPDATING, updatedReplicas: 0, conditions: failing } : {}),
  );
  await until(() => scene.printed.stderr.includes("serves"));
  await save(scene.root, "bad");
  await until(() => scene.printed.stderr.includes("at app.ts:7"));
  expect(scene.printed.stderr).toContain("exit code 3");
  expect(scene.printed.stderr).not.toContain("app.ts: serves");
  await save(scene.root, "good");
  await until(() => scene.printed.stderr.includes("app.ts: serves"));
});

test("a file that cannot be imported is not deployed, why is said, and nothing that comes of the revision before it is taken for it", async () => {
  const scene = await watching(
    (_, number) => revisionOf(number),
    (text) => {
      if (text === "bad") throw new CliError(["cannot run app.ts:", "app.ts:1", "SyntaxError: no"]);
    },
  );
  await until(() => scene.deploys.length === 1);
  await save(scene.root, "bad");
  await until(() => scene.printed.stderr.includes("SyntaxError: no"));
  scene.set(revisionOf(1, { state: DeploymentState.UPDATING }));
  await until(() => scene.printed.stderr.includes("UPDATING"));
  scene.set(revisionOf(1));
  await until(() => scene.printed.stderr.split("UPDATING")[1]?.includes("HEALTHY") === true);
  expect(scene.printed.stderr.split("SyntaxError")[1]).not.toContain("serves");
  expect(scene.deploys).toHaveLength(1);
  await save(scene.root, "good");
  await until(() => scene.deploys.length === 2);
});

test("a revision that was rolled back, and a deployment that somebody deleted, are not said to serve; a save deploys again", async () => {
  const scene = await watching((_, number) => revisionOf(number));
  await until(() => scene.printed.stderr.includes("serves"));
  scene.set(revisionOf(2, { revision: 7n }));
  await until(() => scene.printed.stderr.includes("revision 7"));
  scene.set(undefined);
  await until(() => scene.printed.stderr.includes("a was deleted"));
  await save(scene.root, "1");
  await until(() => scene.deploys.length === 2);
});

test("a controller that is away is called again, but not before the first deploy", async () => {
  const away = () => new StatusError("UNAVAILABLE", "away");
  const never = await watching(() => Promise.reject(away()));
  await expect(never.ended).rejects.toThrow("away");
  let fails = 0;
  const scene = await watching((_, number) => (number === 2 && fails++ === 0 ? Promise.reject(away()) : revisionOf(number)));
  await until(() => scene.deploys.length === 1);
  await save(scene.root, "2");
  await until(() => scene.deploys.length === 2);
  expect(fails).toBe(2);
});

test("wrong usage ends it; a mistake in the program at the first deploy waits for the next save", async () => {
  const wrong = await watching(
    (_, number) => revisionOf(number),
    () => Promise.reject(usage("--bundle: is wrong")),
  );
  await expect(wrong.ended).rejects.toThrow("--bundle");
  const scene = await watching(
    (_, number) => revisionOf(number),
    (text) => (text === "1" ? Promise.reject(new CliError("SyntaxError")) : undefined),
  );
  await until(() => scene.printed.stderr.includes("SyntaxError"));
  await save(scene.root, "2");
  await until(() => scene.deploys.length === 1);
});

test("a module whose import never ends is given up at the next save", async () => {
  const scene = await watching(
    (_, number) => revisionOf(number),
    (text, signal) =>
      text === "1" ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))) : undefined,
  );
  await save(scene.root, "2");
  await until(() => scene.deploys.length === 1);
});

test("the folder may be deleted and come again", async () => {
  const scene = await watching((_, number) => revisionOf(number));
  await until(() => scene.deploys.length === 1);
  await rm(scene.root, { recursive: true });
  await until(() => scene.printed.stderr.includes("not deployed"));
  await mkdir(scene.root);
  await save(scene.root, "2");
  await until(() => scene.deploys.length === 2);
});
