import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { onTestFinished } from "vitest";
import { realClock } from "../../../src/clock/real.ts";
import type { EnvironmentsOptions } from "../../../src/engine/local/environments.ts";
import { silentLog } from "../../../src/log/log.ts";
import { testFolder } from "./engine-harness.ts";
import { ListedEnvironments } from "./listed-environments.ts";

/**
 * A folder with a program `npm`, a shell script, that is first on the PATH; `runs` are its command
 * lines so far.
 */
export async function standIn(script: string) {
  const folder = await testFolder();
  const bin = join(folder, "bin");
  await mkdir(bin);
  const runs = join(folder, "runs");
  await writeFile(join(bin, "npm"), `#!/bin/sh\necho "$*" >> ${runs}\n${script}\n`);
  await chmod(join(bin, "npm"), 0o755);
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const store = join(folder, "environments");
  return {
    folder,
    store,
    env,
    runs: async () => (await readFile(runs, "utf8").catch(() => "")).split("\n").filter((line) => line !== ""),
    open: (more: Partial<EnvironmentsOptions> = {}) => {
      const options = { folder: store, ambientEnv: env, needed: () => [], clock: realClock, log: silentLog, ...more };
      const environments = new ListedEnvironments(options);
      onTestFinished(() => environments.close());
      return environments;
    },
  };
}
