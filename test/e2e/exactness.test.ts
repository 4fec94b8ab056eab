// A revision is what it was: whatever its files hold by now, and though they are gone, a rollback, a
// replacement and a scale-up run the files of the revision, by one controller or by the next.
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Drover, until } from "./drover.ts";

const name = "tells";
const app = `import { readFileSync } from "node:fs";
import { deployment } from "drover";
import { code } from "./lib/code.ts";

function tells() {
  return { code, data: readFileSync("data.txt", "utf8") };
}

export default deployment(tells, { numReplicas: 2, resources: { numCpus: 0.01 } });
`;

let drover: Drover;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-exactness-"));
  await mkdir(join(folder, "lib"));
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  await writeFile(join(folder, "app.ts"), app);
  drover = await Drover.start();
});
afterAll(async () => {
  await drover.close();
  await rm(folder, { recursive: true, force: true });
});

/** Saves what a module holds, and what a data file holds that it reads at each call. */
async function save(text: string): Promise<void> {
  await writeFile(join(folder, "lib/code.ts"), `export const code: string = "${text}";\n`);
  await writeFile(join(folder, "data.txt"), text);
}

async function succeeds(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await drover.cli(...args);
  expect(code, stderr).toBe(0);
}

const deploy = () => succeeds("run", join(folder, "app.ts"));

/** Every replica answers by these files. */
async function expectFiles(text: string, revision: number, replicas = 2): Promise<void> {
  const running = await until(`${replicas} replicas run`, async () => {
    const running = await drover.running(name);
    return running.length === replicas && running;
  });
  expect(running.map((replica) => Number(replica.revision))).toEqual(Array(replicas).fill(revision));
  const answers = await Promise.all(Array.from({ length: 12 }, () => drover.invoke(name, "", null)));
  for (const answer of answers) expect(answer).toEqual({ code: text, data: text });
}

/**
 * SIGTERM stops the replicas, and the next controller starts others; SIGKILL leaves them running.
 */
async function restart(signal: NodeJS.Signals, args: readonly string[] = []): Promise<void> {
  await drover.end(signal);
  drover = await Drover.start(args, drover.dataDir);
}

async function replaceOne(): Promise<void> {
  const [killed] = await drover.running(name);
  process.kill(Number(killed?.pid), "SIGKILL");
  await until("another replica runs in its place", async () => {
    const running = await drover.running(name);
    return running.length === 2 && running.every(({ pid }) => pid !== killed?.pid);
  });
}

test("a rollback runs the files of its revision, not those of the folder", async () => {
  await save("A");
  await deploy();
  await expectFiles("A", 1);
  await save("B");
  await restart("SIGTERM");
  await expectFiles("A", 1);
  await deploy();
  await expectFiles("B", 2);
  await restart("SIGKILL");
  await succeeds("rollback", name, "--to", "1");
  await expectFiles("A", 1);
});

test("a replica that is replaced in the middle of a rollout runs the files of the old revision", async () => {
  await succeeds("pause", name);
  await save("C");
  await deploy();
  await save("edited and not deployed");
  await replaceOne();
  await expectFiles("A", 1);
  await restart("SIGKILL");
  await replaceOne();
  await expectFiles("A", 1);
  await succeeds("resume", name);
  await drover.settled(name);
  await expectFiles("C", 3);
});

test("a rollback and a scale-up need no folder", async () => {
  await rm(folder, { recursive: true });
  await restart("SIGTERM");
  await expectFiles("C", 3);
  await succeeds("rollback", name, "--to", "2");
  await expectFiles("B", 2);
  await restart("SIGKILL");
  await succeeds("scale", name, "4");
  await expectFiles("B", 2, 4);
});

test("with bundles in Redis, the data folder holds none, and a revision is what it was", async () => {
  await drover.close();
  await mkdir(join(folder, "lib"), { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  await writeFile(join(folder, "app.ts"), app);
  drover = await Drover.start(["--bundles", "redis"]);
  await save("A");
  await deploy();
  await save("B");
  await deploy();
  await drover.settled(name);
  await expectFiles("B", 2);
  await succeeds("rollback", name, "--to", "1");
  await expectFiles("A", 1);
  await restart("SIGTERM", ["--bundles", "redis"]);
  await expectFiles("A", 1);
  await expect(readdir(join(drover.dataDir, "bundles"))).rejects.toMatchObject({ code: "ENOENT" });
});
