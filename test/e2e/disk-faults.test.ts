// A controller and its replicas on a disk of their own, which fails them.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { fillDisk, noSmallDisk, onSmallDisk, seenBy } from "../kit/small-disk.ts";
import { pythonToolchain } from "../sdk/python-toolchain.ts";
import { Drover, type Finished, mainPath, run, startArgs, until } from "./drover.ts";

const toolchain = await pythonToolchain();
const noDisk = await noSmallDisk();
if (noDisk !== undefined) console.warn(`tests of faults of the disk are skipped: ${noDisk}`);
if ("missing" in toolchain) console.warn(`on the full disk there are no Python replicas: ${toolchain.missing}`);

/** What the controller logged. */
function logged({ stderr }: Finished) {
  type LogFacts = { readonly level: number; readonly freeBytes?: number; readonly path?: string };
  return stderr.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as LogFacts] : []));
}

test.skipIf(noDisk !== undefined)("a full disk ends no replica and fails no request, and what ends is replaced", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drover-e2e-"));
  const disk = join(folder, "disk");
  const path = [...("python" in toolchain ? [dirname(toolchain.python)] : []), process.env.PATH].join(delimiter);
  const enter = ["env", `PATH=${path}`, ...onSmallDisk(disk)];
  const drover = await Drover.start(["--data", disk, "--log-level", "info"], folder, enter);
  onTestFinished(() => drover.close());
  const pythons = "python" in toolchain ? ["talkspy"] : [];
  const talkers = ["talks", ...pythons];
  await drover.deploy("talks", {}, "talks.ts");
  for (const name of pythons) await drover.deploy(name, {}, "talks.py");
  await drover.deploy("replaced");
  const before = new Map(await Promise.all(talkers.map(async (name) => [name, (await drover.running(name))[0]] as const)));

  // Stopped meanwhile: else it might give its reserve up before the last of what fills the disk.
  drover.process.kill("SIGSTOP");
  const makeRoom = fillDisk(seenBy(drover.process.pid!, disk));
  drover.process.kill("SIGCONT");
  const said = new Map(talkers.map((name) => [name, 0]));
  const talk = async () => {
    for (let n = 0; n < 20; n++)
      for (const name of talkers) said.set(name, said.get(name)! + Number(await drover.invoke(name, "say", `${n} `.repeat(1_000))));
  };
  await talk();
  const [victim] = await drover.running("replaced");
  process.kill(Number(victim?.pid), "SIGKILL");
  await until("another one runs in its place", async () => {
    await talk();
    const running = await drover.running("replaced");
    return running.length === 1 && running[0]?.replicaId !== victim?.replicaId;
  });
  expect(await drover.invoke("replaced", "echo", 1)).toMatchObject({ input: 1 });
  await drover.deploy("new");

  makeRoom();
  for (const name of talkers) {
    const { replicaId = "", pid } = before.get(name) ?? {};
    expect(await drover.running(name)).toMatchObject([{ replicaId, pid }]);
    for (const stream of ["stdout", "stderr"] as const) {
      const output = seenBy(drover.process.pid!, join(disk, "replicas", replicaId, `${stream}.log`));
      const dropped = await until(`${stream} of ${name} says what was lost`, async () => {
        said.set(name, said.get(name)! + Number(await drover.invoke(name, "say", "again")));
        const notes = [...(await readFile(output, "utf8")).matchAll(/^(\d+) bytes of output.*\n/gm)];
        return notes.length > 0 && notes;
      });
      const text = await readFile(output, "utf8");
      const notes = dropped.reduce((bytes, [line]) => bytes + Buffer.byteLength(line), 0);
      const lost = dropped.reduce((bytes, [, count]) => bytes + Number(count), 0);
      expect(Buffer.byteLength(text) - notes + lost).toBe(said.get(name));
    }
  }
  await until(
    "the reserve is made again",
    async () =>
      (await drover.cli("cluster")).code === 0 && readFile(seenBy(drover.process.pid!, join(disk, "reserve"))).catch(() => undefined),
  );
  const facts = logged(await drover.end());
  expect(facts.filter(({ freeBytes }) => freeBytes !== undefined).map(({ level }) => level)).toEqual([40, 30]);
  expect(facts.filter(({ level }) => level >= 50)).toEqual([]);
});

test.skipIf(process.platform !== "linux")("a controller whose own output cannot be written (/dev/full) goes on", async () => {
  const drover = await Drover.start(["--log-level", "debug"], undefined, ["sh", "-c", 'exec "$@" >/dev/full 2>/dev/full', "sh"]);
  onTestFinished(() => drover.close());
  await drover.deploy("app");
  expect(await drover.invoke("app", "echo", 1)).toMatchObject({ input: 1 });
  expect(await drover.end()).toMatchObject({ code: 0 });
});

test.skipIf(noDisk !== undefined)("a data folder on a read-only disk is refused in one line that names it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drover-e2e-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const disk = join(folder, "disk");
  const [command = "", ...args] = [...onSmallDisk(disk, "ro"), process.execPath, mainPath, ...startArgs(disk)];
  const { code, stdout, stderr } = await run(command, args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr.trimEnd().split("\n")).toEqual([expect.stringContaining(`${disk} cannot be used`)]);
  expect(stderr).toContain("--data");
});

test.skipIf(noDisk !== undefined)("a replica's folder that cannot be removed holds nothing up, and is said once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drover-e2e-"));
  const disk = join(folder, "disk");
  const drover = await Drover.start(["--data", disk], folder, onSmallDisk(disk));
  onTestFinished(() => drover.close());
  const held = 'own=$(dirname "$(readlink /proc/self/fd/2)") && mkdir "$own/held" && mount -t tmpfs none "$own/held"; exit 1';
  await drover.controller.deploy({
    spec: {
      name: "held",
      version: "1",
      program: { kind: { case: "command", value: { argv: ["sh", "-c", held] } } },
      resources: { numCpus: 0.01 },
      rollout: { maxStartFailures: 1 },
    },
  });
  await drover.settled("held");
  await drover.controller.deleteDeployment({ name: "held" });
  await until("it is deleted", async () => (await drover.controller.listDeployments({})).deployments.length === 0);
  const folders = async () => readdir(seenBy(drover.process.pid!, join(disk, "replicas")));
  const left = (await folders()).map((name) => join(disk, "replicas", name));
  expect(left.length).toBeGreaterThan(0);
  await drover.deploy("next");
  await drover.controller.deleteDeployment({ name: "next" });
  await until("the other one's folder is gone", async () => (await folders()).length === left.length);
  const facts = logged(await drover.end());
  expect(facts.flatMap(({ path = [] }) => path).toSorted()).toEqual(left.toSorted());
});
