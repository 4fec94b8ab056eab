import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type Deployment, DeploymentSchema, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { type ControllerHandlers, deploymentOf, folder, serve } from "./harness.ts";

const updated = (name: string, application = "") => ({ event: { case: "deploymentUpdated" as const, value: part(name, application) } });
const deleted = (name: string) => ({ event: { case: "deploymentDeleted" as const, value: name } });
const synced = { event: { case: "synced" as const, value: {} } };

/** A deployment of an application; empty: of none. */
function part(name: string, application: string): Deployment {
  const deployment = create(DeploymentSchema, deploymentOf(name));
  if (deployment.spec) deployment.spec.application = application;
  return deployment;
}

/** Lists these, each by its name and application. */
const listing =
  (...all: readonly (readonly [name: string, application: string])[]): NonNullable<ControllerHandlers["listDeployments"]> =>
  ({ application }) => ({
    deployments: all.filter(([, own]) => application === "" || own === application).map(([name, own]) => part(name, own)),
  });

const shop = listing(["cart", "shop"], ["echo", ""], ["till", "shop"]);

test("status and list have a column of applications where there are any, and --app shows one", async () => {
  const run = await serve({ listDeployments: shop });
  expect((await run(["list"])).stdout.split("\n").slice(0, 3)).toEqual([
    "NAME  STATE    RUNNING  AGE   APPLICATION  PROGRAM",
    "cart  HEALTHY  2/2      1h1m  shop         /apps/cart.ts",
    "echo  HEALTHY  2/2      1h1m  -            /apps/echo.ts",
  ]);
  const { stdout } = await run(["status", "--app", "shop"]);
  expect(stdout.split("\n").map((line) => line.split(/ +/)[0])).toEqual(["NAME", "cart", "till", ""]);
  expect(stdout).toContain("APPLICATION");
  expect(JSON.parse((await run(["status", "--app", "shop", "-o", "json"])).stdout)).toMatchObject([
    { spec: { name: "cart" } },
    { spec: { name: "till" } },
  ]);
});

test("an application that has no deployments is named, and two ways to name deployments are refused", async () => {
  const run = await serve({ listDeployments: shop });
  for (const command of ["status", "logs", "delete", "list"])
    expect(await run([command, "--app", "shoe"])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('"shoe"') });
  for (const argv of [
    ["status", "cart", "--app", "shop"],
    ["logs", "cart", "--app", "shop"],
    ["logs"],
    ["delete", "cart", "--app", "shop"],
    ["delete", "--all", "--app", "shop"],
    ["delete", "cart", "--all"],
    ["delete"],
    ["delete", "--app", ""],
  ])
    expect(await run(argv)).toMatchObject({ exitCode: 2 });
});

test("status --watch --app shows the changes of one application: who joins, who leaves, and its end", async () => {
  const run = await serve({
    getCluster: () => ({}),
    async *watchDeployments() {
      yield updated("echo");
      yield updated("cart", "shop");
      yield synced;
      yield updated("till", "shop");
      yield updated("till", "other");
      yield deleted("echo");
      yield deleted("cart");
    },
  });
  const watched = await run(["status", "--watch", "--app", "shop"]);
  expect(watched.stdout).toBe("cart  HEALTHY  2/2 running\ntill  HEALTHY  2/2 running\ntill  deleted\n");
  expect(watched.exitCode).toBe(1);
});

test("delete --app deletes an application in one call and waits for all of it, also for what had joined", async () => {
  const asked: unknown[] = [];
  const run = await serve({
    listDeployments: shop,
    apply: ({ application, prune, specs }) => {
      asked.push({ application, prune, specs });
      return { pruned: ["cart", "lamp", "till"] };
    },
    async *watchDeployments({ names }) {
      asked.push(names);
      yield { event: { case: "deploymentUpdated", value: deploymentOf("lamp", { state: DeploymentState.DELETING }) } };
      yield updated("till", "shop");
      yield synced;
      yield deleted("till");
      yield deleted("lamp");
    },
  });
  expect(await run(["delete", "--app", "shop"])).toMatchObject({ exitCode: 0, stdout: "cart  deleted\ntill  deleted\nlamp  deleted\n" });
  expect(asked).toEqual([{ application: "shop", prune: true, specs: [] }, ["cart", "till", "lamp"]]);
  expect(await run(["delete", "--app", "shop", "--no-wait"])).toMatchObject({
    exitCode: 0,
    stdout: "cart  deleting\ntill  deleting\nlamp  deleting\n",
  });
  expect(await run(["delete", "--app", "shoe", "--allow-missing"])).toMatchObject({ exitCode: 0, stdout: "shoe  was not there\n" });
});

test("delete --all deletes each deployment that is there, by its uid, and one that fails does not stop the others", async () => {
  const asked: unknown[] = [];
  const run = await serve({
    listDeployments: shop,
    deleteDeployment: ({ name, uid, allowMissing }) => {
      asked.push([name, uid, allowMissing]);
      if (name === "cart") throw new Error("broken");
      return name === "echo" ? {} : { deployment: deploymentOf(name, { state: DeploymentState.DELETING }) };
    },
  });
  const ended = await run(["delete", "--all", "--no-wait"]);
  expect(ended).toMatchObject({ exitCode: 1, stdout: "echo  was not there\ntill  deleting\n" });
  expect(asked).toEqual(["cart", "echo", "till"].map((name) => [name, `uid-of-${name}`, true]));
  const empty = await serve({ listDeployments: () => ({}) });
  expect(await empty(["delete", "--all"])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
});

test("logs of several deployments come one after the other, or as they come where they are followed", async () => {
  const asked: unknown[] = [];
  const tillHeard = Promise.withResolvers<void>();
  const run = await serve({
    listDeployments: shop,
    async *watchLogs({ name, follow, tailLines }) {
      asked.push([name, follow, tailLines]);
      if (follow && name === "cart") await tillHeard.promise;
      yield { replicaId: `${name}-1`, line: "one" };
    },
  });
  expect((await run(["logs", "till", "cart", "till", "--tail", "3"])).stdout).toBe("till-1  one\ncart-1  one\n");
  expect((await run(["logs", "--app", "shop"])).stdout).toBe("cart-1  one\ntill-1  one\n");
  const followed = await run(["logs", "--app", "shop", "--follow"], { onPrint: () => tillHeard.resolve() });
  expect(followed.stdout).toBe("till-1  one\ncart-1  one\n");
  expect(asked).toEqual([
    ["till", false, 3],
    ["cart", false, 3],
    ["cart", false, undefined],
    ["till", false, undefined],
    ["cart", true, undefined],
    ["till", true, undefined],
  ]);
  expect(await run(["logs", "cart", "till", "--replica", "cart-1"])).toMatchObject({ exitCode: 2 });
});

test("logs of several end with the first that fails", async () => {
  const ended: string[] = [];
  const run = await serve({
    async *watchLogs({ name }, { signal }) {
      yield { replicaId: `${name}-1`, line: "one" };
      if (name === "cart") throw new Error("broken");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ended.push(name);
    },
  });
  expect(await run(["logs", "till", "cart", "--follow"])).toMatchObject({ exitCode: 1 });
  await expect.poll(() => ended).toEqual(["till"]);
});

test("deploy is within the application that --app names, or that all specs name", async () => {
  const asked: unknown[] = [];
  const run = await serve({
    apply: ({ application, prune, specs }) => {
      asked.push([application, prune, specs.map((spec) => spec.application)]);
      return { results: specs.map(({ name }) => ({ deployment: deploymentOf(name) })) };
    },
  });
  const program = "program: { command: { argv: [app] } }";
  const cwd = await folder({
    "one.yaml": `name: a\napplication: shop\n${program}\n---\nname: b\napplication: shop\n${program}\n`,
    "two.yaml": `name: c\n${program}\n`,
  });
  const deploy = (...argv: readonly string[]) => run(["deploy", "--no-wait", "--prune", ...argv], { cwd });
  expect(await deploy("one.yaml")).toMatchObject({ exitCode: 0 });
  expect(await deploy("one.yaml", "two.yaml")).toMatchObject({ exitCode: 0 });
  expect(await deploy("two.yaml", "--app", "fleet")).toMatchObject({ exitCode: 0 });
  expect(asked).toEqual([
    ["shop", true, ["shop", "shop"]],
    ["", true, ["shop", "shop", ""]],
    ["fleet", true, [""]],
  ]);
});
