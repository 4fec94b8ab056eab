// How long a start takes: from Deploy to the first answer, and by the replica's own times.
import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { StatusError } from "../src/core/errors.ts";
import { Drover, until } from "../test/e2e/drover.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median } from "./statistics.ts";

const times = quick ? 2 : 10;
const targetMs = 300;
const packagesMs = 50;
/** The codes of an invoke that fails because no replica serves yet. */
const notYet = ["NOT_FOUND", "UNAVAILABLE"];
const giveUpMs = 30_000;

async function measure(): Promise<readonly Section[]> {
  const drover = await Drover.start();
  try {
    const rows: string[][] = [];
    for (const program of ["empty.mjs", "empty.ts"]) {
      const path = join(import.meta.dirname, "programs", program);
      await once(drover, "warm-up", path, settle);
      const starts = await repeat((name) => once(drover, name, path, settle));
      const served = await repeat((name) => once(drover, name, path, pollUntilServed));
      rows.push(
        rowOf(
          "replica asked for → running",
          program,
          starts.map(({ startMs }) => startMs),
        ),
      );
      rows.push(
        rowOf(
          "`Deploy` sent → first request served",
          program,
          served.map(({ servedMs }) => servedMs),
        ),
      );
    }
    return [{ title: "Start", columns: ["from → to", "program", "median ms", "max ms"], rows, notes }, await withPackages(drover)];
  } finally {
    await drover.close();
  }
}

/**
 * A replica's start with packages that are installed already, and without packages, alternating.
 */
async function withPackages(drover: Drover): Promise<Section> {
  const path = join(import.meta.dirname, "programs/empty.mjs");
  const packages = ["is-number@7.0.0"];
  await once(drover, "warm-up", path, settle, packages);
  const [plain, given]: [number[], number[]] = [[], []];
  for (let time = 1; time <= times; time++) {
    plain.push((await once(drover, `plain-${time}`, path, settle)).startMs);
    given.push((await once(drover, `given-${time}`, path, settle, packages)).startMs);
  }
  const row = (what: string, ms: readonly number[]) => [what, figure(median(ms)), figure(Math.max(...ms))];
  return {
    title: "Start with packages",
    columns: ["runtime_env", "median ms", "max ms"],
    rows: [row("none", plain), row(`npm: ${packages.join(", ")}, installed before`, given)],
    notes: [
      `\`create_time\` to \`ready_time\` of a replica of an empty program, ${times} starts each, alternating. The target is below ${packagesMs} ms more.`,
    ],
  };
}

const notes = [
  `${times} starts one after the other, of a program that does nothing, after a warm-up. The first line is \`create_time\` to \`ready_time\` of the replica, with nothing else going on; its target is below ${targetMs} ms.`,
  "For the second line, a client calls without pause from the answer of `Deploy` to the program's first answer, which takes CPU time from the start.",
];

const rowOf = (what: string, program: string, ms: readonly number[]) => [what, program, figure(median(ms)), figure(Math.max(...ms))];

async function repeat<T>(act: (name: string) => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let time = 1; time <= times; time++) results.push(await act(`empty-${time}`));
  return results;
}

/**
 * Deploys, waits with `wait`, and deletes. Returns how long the wait took, and the replica's start
 * by its own times.
 */
async function once(drover: Drover, name: string, path: string, wait: (drover: Drover, name: string) => Promise<void>, npm: string[] = []) {
  const program = { kind: { case: "module" as const, value: { path } } };
  const beganMs = performance.now();
  await drover.controller.deploy({ spec: { name, version: "1", program, resources: { numCpus: 0.1 }, runtimeEnv: { npm } } });
  await wait(drover, name);
  const servedMs = performance.now() - beganMs;
  await drover.settled(name);
  const [replica] = await drover.running(name);
  if (replica?.createTime === undefined || replica.readyTime === undefined) throw new Error("the replica does not run");
  await drover.controller.deleteDeployment({ name });
  await until("the deployment is gone", () =>
    drover.controller.getDeployment({ name }).then(
      () => false,
      () => true,
    ),
  );
  return { servedMs, startMs: timestampMs(replica.readyTime) - timestampMs(replica.createTime) };
}

async function settle(drover: Drover, name: string): Promise<void> {
  await drover.settled(name);
}

async function pollUntilServed(drover: Drover, name: string): Promise<void> {
  const beganMs = performance.now();
  while (performance.now() - beganMs < giveUpMs) {
    try {
      await drover.invoke(name, "", null);
      return;
    } catch (error) {
      if (!(error instanceof StatusError) || !notYet.includes(error.code)) throw error;
    }
  }
  throw new Error(`${name} served nothing within ${giveUpMs} ms`);
}

await present(measure);
