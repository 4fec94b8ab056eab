// `drover run --watch` with a real controller: what a save does to a program that serves.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { pythonTest } from "../sdk/python-harness.ts";
import { pythonToolchain } from "../sdk/python-toolchain.ts";
import { Drover, mainPath, until } from "./drover.ts";

let drover: Drover;
beforeAll(async () => {
  const toolchain = await pythonToolchain();
  if (!("missing" in toolchain)) process.env.PATH = `${dirname(toolchain.python)}:${process.env.PATH}`; // the replicas' `python3`
  drover = await Drover.start();
});
afterAll(() => drover.close());

interface Watching {
  readonly folder: string;
  /** All that was printed so far. */
  readonly printed: () => string;
  save(path: string, text: string): Promise<void>;
  /** Waits until the deployment answers so. */
  answers(wanted: unknown): Promise<void>;
  interrupt(): Promise<number | null>;
}

/** A folder with these files, in which `drover run --watch` runs `main` as the deployment `edited`. */
async function watching(
  main: string | readonly string[],
  files: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<Watching> {
  const folder = await mkdtemp(join(tmpdir(), "drover-e2e-"));
  const save = async (path: string, text: string) => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  };
  for (const [path, text] of Object.entries(files)) await save(path, text);
  const what = typeof main === "string" ? [main] : ["--", ...main];
  const args = [mainPath, "run", "--watch", "--num-cpus", "0.1", ...flags, ...what];
  const env = { ...process.env, DROVER_API: drover.addresses.api };
  const child: ChildProcess = spawn(process.execPath, args, { cwd: folder, env });
  let printed = "";
  for (const output of [child.stdout, child.stderr]) output?.on("data", (chunk: Buffer) => (printed += chunk));
  const ended = once(child, "close");
  const interrupt = async () => {
    if (child.exitCode === null) child.kill("SIGINT");
    await ended;
    return child.exitCode;
  };
  onTestFinished(async () => {
    await interrupt();
    await drover.controller.deleteDeployment({ name: "edited", allowMissing: true });
    await rm(folder, { recursive: true, force: true });
  });
  return {
    ...{ folder, save, interrupt },
    printed: () => printed,
    answers: async (wanted) => {
      await until(
        `it answers ${wanted}:\n${printed}`,
        async () => (await drover.invoke("edited", "", null).catch(() => undefined)) === wanted,
      );
    },
  };
}

test("a save of any file of a module's folder is served; what cannot be imported or does not start is explained, and the last good goes on", async () => {
  const main = (body: string) =>
    `import { deployment } from "drover";\nimport { n } from "./lib/n.ts";\nexport default deployment(class {\n  constructor() {\n    ${body}\n  }\n  call() { return n; }\n}, { name: "edited" });\n`;
  const watched = await watching("app.ts", {
    "package.json": '{ "type": "module" }',
    ".gitignore": "notes.txt\n",
    "app.ts": main('console.log("begins");'),
    "lib/n.ts": "export const n: number = 1;\n",
  });
  await watched.answers(1);
  await until("its output is shown", () => watched.printed().includes("begins"));
  await watched.save("lib/n.ts", "export const n: number = 2;\n");
  await watched.answers(2);
  await watched.save("lib/n.ts", "export const n: number = ;\n");
  await until("the mistake is shown", () => watched.printed().includes("lib/n.ts:1"));
  expect(await drover.invoke("edited", "", null)).toBe(2);
  await watched.save("lib/n.ts", "export const n: number = 3;\n");
  await watched.save("app.ts", main('throw new Error("the table is missing");'));
  await until("the failed start is shown", () => /last failure[\s\S]*the table is missing/.test(watched.printed()));
  expect(await drover.invoke("edited", "", null)).toBe(2);
  await watched.save("app.ts", main(""));
  await watched.answers(3);
  const settled = await drover.settled("edited");
  await watched.save("notes.txt", "nothing that is sent");
  await watched.save("new/deep/n.ts", "export {};\n");
  const { revision = 0n } = settled.status ?? {};
  await until("the new folder is deployed", async () => ((await drover.settled("edited")).status?.revision ?? 0n) === revision + 1n);
  await watched.save("new/deep/n.ts", "export const more = 1;\n");
  await until("a file in the new folder is, too", async () => ((await drover.settled("edited")).status?.revision ?? 0n) === revision + 2n);
  expect(await watched.interrupt()).toBe(130);
  expect(await drover.invoke("edited", "", null)).toBe(3);
});

pythonTest(
  "a Python program is served at each save, also where a module of the same size is saved in the same second; with --attach, Ctrl-C deletes it under each name",
  async () => {
    const watched = await watching(
      "app.py",
      {
        "pyproject.toml": "",
        "app.py": 'import drover\nfrom lib.n import N\n\n\n@drover.deployment(name="edited")\ndef answer() -> int:\n    return N\n',
        "lib/n.py": "N = 1\n",
      },
      ["--attach"],
    );
    for (const n of [1, 2, 3]) {
      if (n > 1) await watched.save("lib/n.py", `N = ${n}\n`);
      await watched.answers(n);
    }
    await watched.save("lib/n.py", "N = (\n");
    await until("the mistake is shown", () => /n\.py", line 1[\s\S]*SyntaxError/.test(watched.printed()));
    expect(await drover.invoke("edited", "", null)).toBe(3);
    const app = (name: string) => `import drover\n\n\n@drover.deployment(name="${name}")\ndef answer() -> int:\n    return 4\n`;
    await watched.save("app.py", app("renamed"));
    await until("it has another name", async () => (await drover.invoke("renamed", "", null).catch(() => undefined)) === 4);
    expect(await watched.interrupt()).toBe(130);
    expect((await drover.controller.listDeployments({})).deployments).toEqual([]);
  },
);

const server = (greeting: string) => `
import os, signal, grpc
from concurrent.futures import ThreadPoolExecutor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
server = grpc.server(ThreadPoolExecutor(2))
servicer = health.HealthServicer()
servicer.set("", health_pb2.HealthCheckResponse.SERVING)
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
server.add_insecure_port(os.environ["DROVER_LISTEN"])
server.start()
print("${greeting}", flush=True)
signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
server.wait_for_termination()
`;

pythonTest("a command is deployed at each save; while its file is gone it is not, and never without its files", async () => {
  const watched = await watching(["python3", "server.py"], { "server.py": server("first") }, ["--name", "edited"]);
  await until("it serves", () => watched.printed().includes("first"));
  const bundled = async () => (await drover.controller.getDeployment({ name: "edited" })).deployment?.spec?.runtimeEnv?.bundle;
  const first = await bundled();
  await rm(join(watched.folder, "server.py"));
  await until("that is said", () => watched.printed().includes("not deployed"));
  expect(await bundled()).toBe(first);
  await watched.save("server.py", server("second"));
  await until("it serves again", () => watched.printed().includes("second"));
});
