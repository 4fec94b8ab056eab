// What it costs that a program travels: how long its files take to the controller, and its start with
// a bundle against its start from a path.
import { randomBytes } from "node:crypto";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sendBundle } from "../src/bundle/send-bundle.ts";
import { realClock } from "../src/clock/real.ts";
import { StatusError } from "../src/core/errors.ts";
import { Drover, until } from "../test/e2e/drover.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median } from "./statistics.ts";

const fileCount = quick ? 50 : 1_000;
const fileBytes = 10_000;
const filesPerFolder = 50;
const uploads = quick ? 2 : 5;
const starts = quick ? 2 : 20;
const moreMs = 30;
const giveUpMs = 30_000;
const program = "empty.mjs";
const programPath = join(import.meta.dirname, "programs", program);

async function measure(): Promise<readonly Section[]> {
  const drover = await Drover.start();
  const folder = await mkdtemp(join(tmpdir(), "drover-bench-"));
  try {
    return [await ofUploads(drover, folder), await ofStarts(drover, folder)];
  } finally {
    await drover.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Upload {
  readonly digest: string;
  readonly ms: number;
  readonly sentBytes: number;
}

/** As the command line does it, each time without what an earlier one knew of the files. */
async function upload({ controller }: Drover, folder: string): Promise<Upload> {
  const beganMs = performance.now();
  let sentBytes = 0;
  const { digest } = await sendBundle(folder, {
    controller,
    call: () => ({ signal: new AbortController().signal }),
    sleep: (ms, signal) => realClock.sleep(ms, signal),
    events: { onBegin: () => {}, onProgress: (bytes) => (sentBytes = bytes) },
  });
  return { digest, ms: performance.now() - beganMs, sentBytes };
}

/** A program among many files, whose contents are new each time. */
async function writeMany(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (let index = 0; index < fileCount; index++) {
    const path = join(folder, `part-${Math.floor(index / filesPerFolder)}`);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, `${index}.bin`), randomBytes(fileBytes));
  }
  await copyFile(programPath, join(folder, program));
}

async function ofUploads(drover: Drover, parent: string): Promise<Section> {
  const folder = join(parent, "many");
  const all: Record<"first" | "changed" | "same", Upload[]> = { first: [], changed: [], same: [] };
  for (let time = 0; time < uploads; time++) {
    await writeMany(folder);
    all.first.push(await upload(drover, folder));
    await writeFile(join(folder, "part-0", "0.bin"), randomBytes(fileBytes));
    all.changed.push(await upload(drover, folder));
    all.same.push(await upload(drover, folder));
  }
  const row = (what: string, some: readonly Upload[]) => {
    const ms = some.map((one) => one.ms);
    return [what, figure(median(some.map(({ sentBytes }) => sentBytes))), figure(median(ms)), figure(Math.max(...ms))];
  };
  return {
    title: "Bundles",
    columns: ["upload", "bytes sent", "median ms", "max ms"],
    rows: [row("first", all.first), row("one file changed", all.changed), row("nothing changed", all.same)],
    notes: [
      `A folder of ${figure(fileCount)} files of ${figure(fileBytes)} bytes with new contents, ${uploads} times: found, digested, sent and made a bundle, as \`drover run\` does it, in one process. Each upload reads all files again.`,
    ],
  };
}

async function ofStarts(drover: Drover, parent: string): Promise<Section> {
  const folder = join(parent, "small");
  await mkdir(folder);
  await copyFile(programPath, join(folder, program));
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  const path = { path: programPath };
  const { digest } = await upload(drover, folder);
  const bundle = { path: program, bundle: digest };
  const [byPath, unpacked, fresh, many]: number[][] = [[], [], [], []];
  await serve(drover, "holder", bundle); // keeps the bundle unpacked
  for (let time = 1; time <= starts; time++) {
    byPath?.push(await startOf(drover, `path-${time}`, path));
    unpacked?.push(await startOf(drover, `unpacked-${time}`, bundle));
  }
  for (let time = 1; time <= uploads; time++) {
    await writeFile(join(folder, "new.txt"), String(time));
    fresh?.push(await startOf(drover, `fresh-${time}`, { path: program, bundle: (await upload(drover, folder)).digest }));
    await writeMany(join(parent, "many"));
    many?.push(await startOf(drover, `many-${time}`, { path: program, bundle: (await upload(drover, join(parent, "many"))).digest }));
  }
  const row = (what: string, ms: readonly number[] = []) => [what, figure(median(ms)), figure(Math.max(...ms))];
  return {
    title: "Start with a bundle",
    columns: ["program", "median ms", "max ms"],
    rows: [
      row("by its path", byPath),
      row("in a bundle that is unpacked", unpacked),
      row("in a bundle of 3 small files, not unpacked yet", fresh),
      row(`in a bundle of ${figure(fileCount + 1)} files, not unpacked yet`, many),
    ],
    notes: [
      `From \`Deploy\` to the first answer of an empty program, which a client asks for without pause: ${starts} starts by the path and in the unpacked bundle, alternating, and ${uploads} of each other kind. The target is below ${moreMs} ms more once unpacked.`,
    ],
  };
}

interface Place {
  readonly path: string;
  readonly bundle?: string;
}

/** Deploys, waits for the first answer, and deletes. */
async function startOf(drover: Drover, name: string, place: Place): Promise<number> {
  const ms = await serve(drover, name, place);
  await drover.settled(name);
  await drover.controller.deleteDeployment({ name });
  await until("the deployment is gone", () =>
    drover.controller.getDeployment({ name }).then(
      () => false,
      () => true,
    ),
  );
  return ms;
}

/** Milliseconds from `Deploy` to the first answer. */
async function serve(drover: Drover, name: string, { path, bundle = "" }: Place): Promise<number> {
  const program = { kind: { case: "module" as const, value: { path } } };
  const beganMs = performance.now();
  await drover.controller.deploy({ spec: { name, version: "1", program, resources: { numCpus: 0.1 }, runtimeEnv: { bundle } } });
  while (performance.now() - beganMs < giveUpMs) {
    try {
      await drover.invoke(name, "", null);
      return performance.now() - beganMs;
    } catch (error) {
      if (!(error instanceof StatusError) || !["NOT_FOUND", "UNAVAILABLE"].includes(error.code)) throw error;
    }
  }
  throw new Error(`${name} served nothing within ${giveUpMs} ms`);
}

await present(measure);
