// A controller in a cgroup that is its own, as systemd delegates one. Skipped where the tests may not make such a cgroup.
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EndingKind } from "../../gen/drover/v1/facts_pb.ts";
import { lastFailureOf } from "./conditions.ts";
import { Drover, until } from "./drover.ts";

const mount = "/sys/fs/cgroup";
/** What all of it may use. */
const machineBytes = 3 * 2 ** 30;
const folder = join(mount, `drover-test-${randomUUID()}`);

function remove(): void {
  for (const path of [join(folder, "controller"), folder]) if (existsSync(path)) rmdirSync(path);
}

/** Makes the cgroup; why not, where it cannot be made. */
function missing(): string {
  try {
    if (!readFileSync(join(mount, "cgroup.controllers"), "utf8").includes("memory")) return "its cgroup v2 has no memory";
    writeFileSync(join(mount, "cgroup.subtree_control"), "+memory");
    mkdirSync(join(folder, "controller"), { recursive: true });
    writeFileSync(join(folder, "memory.max"), String(machineBytes));
    return "";
  } catch (error) {
    remove();
    return (error as Error).message;
  }
}

const reason = missing();
if (reason !== "") console.warn(`tests of memory held by the kernel are skipped: no cgroup (v2) can be made here (${reason})`);
const enter = ["/bin/sh", "-c", 'echo 0 >"$0" && exec "$@"', join(folder, "controller/cgroup.procs")];
const replicasIn = () => readdirSync(folder).filter((name) => name.startsWith("replica-"));
const needs = { skip: reason !== "" };

let drover: Drover;
beforeAll(async () => {
  if (reason === "") drover = await Drover.start([], undefined, enter);
});
afterAll(async () => {
  if (reason !== "") return;
  await drover.close();
  for (const name of replicasIn()) rmdirSync(join(folder, name));
  remove();
});

test("a replica that needs more than its memory_bytes is ended by the kernel and reported as that", needs, async () => {
  const resources = { numCpus: 0.01, memoryBytes: 256n * 2n ** 20n };
  const hungry = { initArgs: { beside: true }, resources, rollout: { maxStartFailures: 1 } };
  const { status } = await drover.deploy("hungry", hungry, "hungry.ts");
  const { failure } = lastFailureOf(status) ?? {};
  expect(failure?.ending).toMatchObject({ kind: EndingKind.OVER_MEMORY, boundBytes: 256n * 2n ** 20n, usedBytes: undefined });
  expect((await drover.cli("cluster")).stdout).toContain("is ended by the kernel (cgroup v2)");
});

test("what the cgroup may use is what there is to give out", needs, async () => {
  const { capacity } = await drover.controller.getCluster({});
  expect(capacity?.memoryBytes).toBe(BigInt(machineBytes));
});

test("what leaves its group and forgets its environment ends with its replica, and the cgroup goes with it", needs, async () => {
  const pidFile = join(drover.dataDir, "left");
  const argv = ["sh", "-c", `env -i setsid sleep 1000 & echo $! > ${pidFile}; exit 1`];
  const spec = { program: { kind: { case: "command", value: { argv } } }, rollout: { maxStartFailures: 1 } };
  await drover.deploy("leaves", spec);
  const pid = Number(await readFile(pidFile, "utf8"));
  await until("the process that left has ended", () => !existsSync(`/proc/${pid}`));
  await drover.controller.deleteDeployment({ name: "leaves" });
  await drover.controller.deleteDeployment({ name: "hungry" });
  await until("no replica's cgroup is left", () => replicasIn().length === 0);
});

test("the next controller finds the cgroup of a replica that goes on", needs, async () => {
  const resources = { numCpus: 0.01, memoryBytes: 2n ** 30n };
  await drover.deploy("goes-on", { resources });
  const [name = ""] = replicasIn();
  const procs = () => readFileSync(join(folder, name, "cgroup.procs"), "utf8");
  const members = procs();
  expect(members).not.toBe("");
  expect(readFileSync(join(folder, name, "memory.max"), "utf8")).toBe(`${2 ** 30}\n`);
  drover.process.kill("SIGKILL");
  await until("the controller has ended", () => drover.process.signalCode !== null);
  drover = await Drover.start([], drover.dataDir, enter);
  await drover.settled("goes-on");
  expect(procs()).toBe(members);
  await drover.controller.deleteDeployment({ name: "goes-on" });
  await until("its cgroup is gone with it", () => replicasIn().length === 0);
});
