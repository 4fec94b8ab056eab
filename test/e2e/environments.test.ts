// Packages of a deployment's own, from the real registries by the real tools. npm stands behind a
// script that counts its runs and, where a test wants it, waits.
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeploymentState, type DeploymentStatus, type Replica, ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionType, EndingKind, InstallProblemKind, PendingKind } from "../../gen/drover/v1/facts_pb.ts";
import { sendBundle } from "../api/sent-bundle.ts";
import { python, pythonTest } from "../sdk/python-harness.ts";
import { conditionOf, lastFailureOf } from "./conditions.ts";
import { Drover, fixturePath, until } from "./drover.ts";

const program = { kind: { case: "module" as const, value: { path: fixturePath("package-version.mjs") } } };
const resources = { numCpus: 0.01 };

let drover: Drover;
let folder: string;
const path = process.env.PATH ?? "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-e2e-npm-"));
  const npm = execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim();
  const script = `#!/bin/sh\necho run >> ${folder}/runs\nwhile [ -e ${folder}/wait ]; do sleep 0.02; done\nexec ${npm} "$@"\n`;
  await mkdir(join(folder, "bin"));
  await writeFile(join(folder, "bin", "npm"), script);
  await chmod(join(folder, "bin", "npm"), 0o755);
  process.env.PATH = `${join(folder, "bin")}${delimiter}${path}`;
  drover = await Drover.start();
});
afterAll(async () => {
  process.env.PATH = path;
  await drover.close();
  await rm(folder, { recursive: true, force: true });
});

const runs = async () => (await readFile(join(folder, "runs"), "utf8").catch(() => "")).split("\n").length - 1;
const deploy = (name: string, npm: string[], more = {}) =>
  drover.controller.deploy({ spec: { name, version: "1", program, resources, runtimeEnv: { npm }, ...more } });

const installing =
  (packages: number) =>
  ({ pendingReason }: Replica): boolean =>
    pendingReason?.kind === PendingKind.PACKAGES && pendingReason.packages === packages;
const toolFailed = (tool: string) => ({
  kind: EndingKind.PACKAGES_FAILED,
  installProblem: { kind: InstallProblemKind.TOOL_ENDED, tool, exitCode: 1 },
});
/** What the tool that installs packages said last. */
const lastWords = (status: DeploymentStatus | undefined): string => lastFailureOf(status)?.failure?.lastLines.join("\n") ?? "";

test("two deployments run two versions of one package side by side", async () => {
  await Promise.all([deploy("six", ["is-number@6.0.0"]), deploy("seven", ["is-number@^7"])]);
  for (const name of ["six", "seven"]) expect((await drover.settled(name)).status?.conditions).toEqual([]);
  expect(await drover.invoke("six", "", null)).toEqual(["6.0.0", "6.0.0"]);
  expect(await drover.invoke("seven", "", null)).toEqual(["7.0.0", "7.0.0"]);
});

test("what is installed is seen, once for all replicas that want it, and again by the next controller", async () => {
  const before = await runs();
  await writeFile(join(folder, "wait"), "");
  await deploy("many", ["is-number@5.0.0", "is-odd@3.0.1"], { numReplicas: 4, startupTimeout: { seconds: 1n } });
  const replicas = await until("all four are being given their packages", async () => {
    const { replicas } = await drover.controller.listReplicas({ deployment: "many" });
    return replicas.length === 4 && replicas.every(installing(2)) && replicas;
  });
  expect(replicas.map(({ state }) => state)).toEqual(Array(4).fill(ReplicaState.STARTING));
  const { deployment } = await drover.controller.getDeployment({ name: "many" });
  expect(conditionOf(deployment?.status, ConditionType.WAITING_FOR_PACKAGES)).toMatchObject({
    pendingReason: { kind: PendingKind.PACKAGES, packages: 2 },
    moreReplicas: 3,
  });
  await rm(join(folder, "wait"));
  expect((await drover.settled("many")).status).toMatchObject({ runningReplicas: 4, state: DeploymentState.HEALTHY });
  expect(await runs()).toBe(before + 1);

  await drover.end("SIGKILL");
  drover = await Drover.start([], drover.dataDir);
  await deploy("more", ["is-odd@3.0.1", "is-number@5.0.0"]);
  await drover.settled("more");
  expect(await drover.invoke("more", "", null)).toEqual(["5.0.0", "5.0.0"]);
  expect(await runs()).toBe(before + 1);
});

test("a controller that ends while packages are installed leaves no failed start, and the next one installs them", async () => {
  await writeFile(join(folder, "wait"), "");
  await deploy("late", ["is-number@4.0.0"]);
  await until("it is being given its packages", async () => {
    const { replicas } = await drover.controller.listReplicas({ deployment: "late" });
    return replicas.some(installing(1));
  });
  await drover.end("SIGKILL");
  await rm(join(folder, "wait"));
  drover = await Drover.start([], drover.dataDir);
  expect((await drover.settled("late")).status?.conditions).toEqual([]);
  const { replicas } = await drover.controller.listReplicas({ deployment: "late" });
  expect(replicas.filter(({ state }) => state === ReplicaState.FAILED)).toEqual([]);
});

test("packages that cannot be installed are a failed start, with the tool's own words", async () => {
  const rollout = { maxStartFailures: 1 };
  await deploy("absent", ["is-number@77.0.0"], { rollout });
  const { status } = await drover.settled("absent");
  expect(status?.state).toBe(DeploymentState.DEPLOY_FAILED);
  expect(lastFailureOf(status)?.failure?.ending).toMatchObject(toolFailed("npm"));
  expect(lastWords(status)).toContain("No matching version found for is-number@77.0.0");
  const { replicas } = await drover.controller.listReplicas({ deployment: "absent" });
  const lines: string[] = [];
  const replicaId = replicas.find(({ state }) => state === ReplicaState.FAILED)?.replicaId ?? "";
  for await (const { line } of drover.controller.watchLogs({ name: "absent", replicaId })) lines.push(line);
  expect(lines.join("\n")).toContain("No matching version found");
});

test("an old replica is not taken down, to make room, for one whose packages cannot be had", async () => {
  const one = await Drover.start(["--num-gpus", "1"]);
  try {
    const spec = {
      name: "only",
      version: "1",
      program,
      resources: { numCpus: 0.01, numGpus: 1 },
      runtimeEnv: { npm: ["is-number@7.0.0"] },
    };
    await one.controller.deploy({ spec });
    await one.settled("only");
    const before = await one.running("only");
    const rollout = { maxStartFailures: 2 };
    await one.controller.deploy({ spec: { ...spec, version: "2", rollout, runtimeEnv: { npm: ["is-number@99.0.0"] } } });
    const { status } = await until("the rollout has failed", async () => {
      expect((await one.running("only")).map(({ pid }) => pid)).toEqual(before.map(({ pid }) => pid));
      const { deployment } = await one.controller.getDeployment({ name: "only" });
      return deployment?.status?.state === DeploymentState.DEPLOY_FAILED && deployment;
    });
    expect(lastWords(status)).toContain("No matching version found for is-number@99.0.0");
    expect(await one.invoke("only", "", null)).toEqual(["7.0.0", "7.0.0"]);
    // With packages that can be had it goes, as there is no other room.
    await one.controller.deploy({ spec: { ...spec, version: "3", runtimeEnv: { npm: ["is-number@6.0.0"] } } });
    expect((await one.settled("only")).status?.state).toBe(DeploymentState.HEALTHY);
    expect(await one.invoke("only", "", null)).toEqual(["6.0.0", "6.0.0"]);
  } finally {
    await one.close();
  }
});

test("without surge no replica goes before the packages of the new revision are there, nor where they cannot be had", async () => {
  const rollout = { maxSurgePercent: 0, maxStartFailures: 2 };
  const update = (version: string, ...npm: string[]) => deploy("in-place", npm, { version, rollout, numReplicas: 2 });
  await update("1", "is-number@3.0.0");
  await drover.settled("in-place");
  const before = (await drover.running("in-place")).map(({ pid }) => pid);
  await update("2", "is-number@99.0.0");
  const failed = await until("the rollout has failed", async () => {
    expect((await drover.running("in-place")).map(({ pid }) => pid)).toEqual(before);
    const { deployment } = await drover.controller.getDeployment({ name: "in-place" });
    return deployment?.status?.state === DeploymentState.DEPLOY_FAILED && deployment;
  });
  expect(lastWords(failed.status)).toContain("No matching version found for is-number@99.0.0");
  await writeFile(join(folder, "wait"), "");
  await update("3", "is-number@2.1.0");
  await until("the packages are being installed", async () => {
    const { deployment } = await drover.controller.getDeployment({ name: "in-place" });
    const waiting = conditionOf(deployment?.status, ConditionType.WAITING_FOR_PACKAGES);
    return waiting?.revision === 3n && waiting.replicaId === "" && waiting.pendingReason?.packages === 1;
  });
  expect((await drover.running("in-place")).map(({ pid }) => pid)).toEqual(before);
  await rm(join(folder, "wait"));
  expect((await drover.settled("in-place")).status?.state).toBe(DeploymentState.HEALTHY);
  expect(await drover.invoke("in-place", "", null)).toEqual(["2.1.0", "2.1.0"]);
});

/** A program with its package-lock.json, of one package in this version. */
async function lockedProgram(version: string, more: Record<string, string> = {}) {
  const dependencies = { "is-number": version };
  const packages = { "": { dependencies }, "node_modules/is-number": { version } };
  const files = {
    "app.mjs": await readFile(fixturePath("package-version.mjs"), "utf8"),
    "package.json": JSON.stringify({ dependencies }),
    "package-lock.json": JSON.stringify({ lockfileVersion: 3, requires: true, packages }),
    ...more,
  };
  const bundle = await sendBundle(drover.controller, files);
  return {
    program: { kind: { case: "module" as const, value: { path: "app.mjs" } } },
    runtimeEnv: { bundle, lockfile: "package-lock.json" },
  };
}

test("a program in a bundle has the packages of its lockfile, which bundles with an equal one share", async () => {
  const before = await runs();
  await writeFile(join(folder, "wait"), "");
  const spec = { name: "locked", resources, ...(await lockedProgram("6.0.0")) };
  await drover.controller.deploy({ spec });
  await until("the packages of the lockfile are being installed", async () => {
    const { deployment } = await drover.controller.getDeployment({ name: "locked" });
    return conditionOf(deployment?.status, ConditionType.WAITING_FOR_PACKAGES)?.pendingReason?.lockfile === "package-lock.json";
  });
  await rm(join(folder, "wait"));
  expect((await drover.settled("locked")).status?.state).toBe(DeploymentState.HEALTHY);
  expect(await drover.invoke("locked", "", null)).toEqual(["6.0.0", "6.0.0"]);
  await drover.controller.deploy({ spec: { ...spec, ...(await lockedProgram("6.0.0", { "notes.txt": "edited" })) } });
  expect((await drover.settled("locked")).status).toMatchObject({ state: DeploymentState.HEALTHY, revision: 2n });
  expect(await runs()).toBe(before + 1);
  await drover.controller.deploy({ spec: { ...spec, ...(await lockedProgram("7.0.0")) } });
  await drover.settled("locked");
  expect(await drover.invoke("locked", "", null)).toEqual(["7.0.0", "7.0.0"]);
  await drover.controller.rollback({ name: "locked", revision: 1n });
  await drover.settled("locked");
  expect(await drover.invoke("locked", "", null)).toEqual(["6.0.0", "6.0.0"]);
  expect(await runs()).toBe(before + 2);
});

test("a lockfile that does not fit its package.json is a failed start that says why, and the old revision goes on serving", async () => {
  const spec = { name: "outdated", resources, rollout: { maxStartFailures: 1, maxSurgePercent: 0 } };
  await drover.controller.deploy({ spec: { ...spec, ...(await lockedProgram("6.0.0")) } });
  await drover.settled("outdated");
  const outdated = await lockedProgram("6.0.0", { "package.json": '{"dependencies":{"is-number":"7.0.0"}}' });
  await drover.controller.deploy({ spec: { ...spec, ...outdated } });
  const { status } = await drover.settled("outdated");
  expect(status?.state).toBe(DeploymentState.DEPLOY_FAILED);
  expect(lastFailureOf(status)?.failure?.ending).toMatchObject(toolFailed("npm ci"));
  expect(lastWords(status)).toContain("is-number@6.0.0 does not satisfy is-number@7.0.0");
  expect(await drover.invoke("outdated", "", null)).toEqual(["6.0.0", "6.0.0"]);
});

test("one npm package in two versions is refused by its field", async () => {
  await expect(deploy("twice", ["@types/node@22", "is-number@6", "@types/node"])).rejects.toMatchObject({
    facts: { violations: [{ field: "spec.runtime_env.npm[2]", description: expect.stringContaining("spec.runtime_env.npm[0] again") }] },
  });
});

test.each([
  ["npm", "left-pad; touch /tmp/x"],
  ["npm", "$(touch /tmp/x)"],
  ["npm", "--ignore-scripts=false"],
  ["npm", "git+https://example.org/x.git"],
  ["pip", "six; touch /tmp/x"],
  ["pip", "-r requirements.txt"],
  ["pip", "six @ file:///etc"],
])("a requirement that is more than a package and its versions is refused by its field: %s %s", async (kind, requirement) => {
  const runtimeEnv = { [kind]: ["zod", requirement] };
  await expect(drover.controller.deploy({ spec: { name: "shell", version: "1", program, runtimeEnv } })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    facts: { violations: [{ field: `spec.runtime_env.${kind}[1]`, description: expect.stringContaining(requirement) }] },
  });
});

for (const tool of ["pip", "uv"] as const) {
  pythonTest(`two deployments in Python run two versions of one package side by side, installed by ${tool}`, async () => {
    const pythons = await startPythons(tool);
    try {
      const argv = ["python3", "-m", "drover.replica", fixturePath("package_version.py"), "PackageVersion"];
      for (const [name, version] of [
        ["old", "1.15.0"],
        ["new", "1.16.0"],
      ] as const) {
        // As a module, or by the command that it is run with.
        const kinds = {
          old: { case: "module", value: { path: fixturePath("package_version.py"), exportName: "PackageVersion" } },
          new: { case: "command", value: { argv } },
        } as const;
        const spec = { name, version: "1", resources, program: { kind: kinds[name] } };
        await pythons.controller.deploy({ spec: { ...spec, runtimeEnv: { pip: [`six==${version}`] } } });
      }
      for (const name of ["old", "new"]) expect((await pythons.settled(name)).status?.conditions).toEqual([]);
      expect(await pythons.invoke("old", "", null)).toEqual("1.15.0");
      expect(await pythons.invoke("new", "", null)).toEqual("1.16.0");
      const environments = join(pythons.dataDir, "environments");
      const [made = ""] = await readdir(environments);
      expect(/^uv = /m.test(await readFile(join(environments, made, "pip/pyvenv.cfg"), "utf8"))).toBe(tool === "uv");
      if (tool === "pip") return;
      const files = { "app/main.py": await readFile(fixturePath("package_version.py"), "utf8"), "requirements.txt": "six==1.14.0\n" };
      const runtimeEnv = { bundle: await sendBundle(pythons.controller, files), lockfile: "requirements.txt" };
      const inBundle = { kind: { case: "module" as const, value: { path: "app/main.py", exportName: "PackageVersion" } } };
      await pythons.controller.deploy({ spec: { name: "locked", resources, program: inBundle, runtimeEnv } });
      expect((await pythons.settled("locked")).status?.conditions).toEqual([]);
      expect(await pythons.invoke("locked", "", null)).toEqual("1.14.0");
    } finally {
      await pythons.close();
    }
  });

  pythonTest(`Python packages that exclude each other are a failed start, told in the words of ${tool}`, async () => {
    const pythons = await startPythons(tool);
    try {
      const program = { kind: { case: "command" as const, value: { argv: ["python3", "-c", ""] } } };
      const runtimeEnv = { pip: ["six==1.15.0", "six==1.16.0"] };
      await pythons.controller.deploy({
        spec: { name: "torn", version: "1", resources, program, runtimeEnv, rollout: { maxStartFailures: 1 } },
      });
      const { status } = await pythons.settled("torn");
      expect(status?.state).toBe(DeploymentState.DEPLOY_FAILED);
      expect(lastFailureOf(status)?.failure?.ending).toMatchObject(toolFailed(tool === "uv" ? "uv pip" : "pip"));
      expect(lastWords(status)).toContain("six");
    } finally {
      await pythons.close();
    }
  });
}

/**
 * A controller with the tests' Python on its PATH, and with `uv`, or with a `uv` that does not run.
 */
async function startPythons(tool: "pip" | "uv"): Promise<Drover> {
  const broken = join(folder, "no-uv");
  await mkdir(broken, { recursive: true });
  await writeFile(join(broken, "uv"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  process.env.PATH = [...(tool === "pip" ? [broken] : []), dirname(python()), path].join(delimiter);
  return Drover.start();
}
