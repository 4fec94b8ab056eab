// How long `drover run --watch` takes, from a save to the first answer of the new code.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Drover, mainPath, until } from "../test/e2e/drover.ts";
import { pythonToolchain } from "../test/sdk/python-toolchain.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median } from "./statistics.ts";

const saves = quick ? 2 : 10;
const targetMs = 1_000;
/** The pause between the end of a rollout and the next save, like that of a person who types. */
const typingMs = 500;

interface SmallProgram {
  readonly language: string;
  readonly file: string;
  readonly marker: string;
  /** A program of the deployment `edited` that answers with a number. */
  readonly text: (answer: number) => string;
}

const programs: readonly SmallProgram[] = [
  {
    language: "TypeScript",
    file: "app.ts",
    marker: "package.json",
    text: (answer) =>
      `import { deployment } from "drover";\n\nexport default deployment((): number => ${answer}, { name: "edited", resources: { numCpus: 0.1 } });\n`,
  },
  {
    language: "Python",
    file: "app.py",
    marker: "pyproject.toml",
    text: (answer) =>
      `import drover\n\n\n@drover.deployment(name="edited", resources={"num_cpus": 0.1})\ndef answer() -> int:\n    return ${answer}\n`,
  },
];

async function measure(): Promise<readonly Section[]> {
  const toolchain = await pythonToolchain();
  if (!("missing" in toolchain)) process.env.PATH = `${dirname(toolchain.python)}:${process.env.PATH}`;
  const drover = await Drover.start();
  try {
    const rows: string[][] = [];
    for (const program of programs) {
      if (program.file.endsWith(".py") && "missing" in toolchain) continue;
      const ms = await savesOf(drover, program);
      rows.push([program.language, figure(median(ms)), figure(Math.max(...ms))]);
    }
    return [{ title: "Edit and see", columns: ["program", "median ms", "max ms"], rows, notes }];
  } finally {
    await drover.close();
  }
}

const notes = [
  `From the save of the only file of a small program, which \`drover run --watch\` follows, to the first answer of the new code through the gateway, which a client asks for every 5 ms; ${saves} saves, each ${typingMs} ms after the rollout before. The target is below ${figure(targetMs)} ms. 50 ms of it are the wait for further saves.`,
];

/** Milliseconds from each save to the first answer of the new code. */
async function savesOf(drover: Drover, { file, marker, text }: SmallProgram): Promise<readonly number[]> {
  const folder = await mkdtemp(join(tmpdir(), "drover-bench-"));
  await writeFile(join(folder, marker), marker.endsWith(".json") ? '{ "type": "module" }\n' : "");
  await writeFile(join(folder, file), text(0));
  const watching = watch(drover, folder, file);
  try {
    const ms: number[] = [];
    await answered(drover, 0, watching);
    for (let answer = 1; answer <= saves; answer++) {
      await drover.settled("edited");
      await new Promise((done) => setTimeout(done, typingMs));
      const beganMs = performance.now();
      await writeFile(join(folder, file), text(answer));
      await answered(drover, answer, watching);
      ms.push(performance.now() - beganMs);
    }
    return ms;
  } finally {
    await end(watching);
    await drover.controller.deleteDeployment({ name: "edited", allowMissing: true });
    await until("the deployment is gone", async () => (await drover.controller.listDeployments({})).deployments.length === 0);
    await rm(folder, { recursive: true, force: true });
  }
}

function watch(drover: Drover, folder: string, file: string): ChildProcess {
  const args = [mainPath, "run", file, "--watch", "--api", drover.addresses.api];
  return spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill("SIGINT");
  await once(child, "exit");
}

async function answered(drover: Drover, wanted: number, watching: ChildProcess): Promise<void> {
  for (;;) {
    if (watching.exitCode !== null) throw new Error("drover run --watch has ended");
    const answer = await drover.invoke("edited", "", null).catch(() => undefined);
    if (answer === wanted) return;
    await new Promise((done) => setTimeout(done, 5));
  }
}

await present(measure);
