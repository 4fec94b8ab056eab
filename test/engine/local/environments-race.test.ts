// The moment at which a folder exists and its builder does not know it yet, extended by the test.
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { expect, test, vi } from "vitest";
import { realClock } from "../../../src/clock/real.ts";
import { silentLog } from "../../../src/log/log.ts";
import { eventually, testFolder } from "./engine-harness.ts";
import { ListedEnvironments } from "./listed-environments.ts";

const moment = vi.hoisted(() => ({ over: undefined as Promise<void> | undefined }));
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const mkdtemp = async (prefix: string) => {
    const path = await real.mkdtemp(prefix);
    if (prefix.includes("environments")) await moment.over;
    return path;
  };
  return { ...real, mkdtemp };
});

test("a folder that is just being made for an installation is not removed by another that ends", async () => {
  const folder = await testFolder();
  const store = join(folder, "environments");
  await mkdir(join(folder, "bin"));
  await writeFile(join(folder, "bin", "npm"), `#!/bin/sh\nwhile [ ! -e ${folder}/go ]; do sleep 0.01; done\n`);
  await chmod(join(folder, "bin", "npm"), 0o755);
  const ambientEnv = { ...process.env, PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH}` };
  const environments = new ListedEnvironments({ folder: store, ambientEnv, needed: () => [], clock: realClock, log: silentLog });
  const build = (name: string) => environments.build({ npm: [name], pip: [] }, new AbortController().signal);
  const folders = async () => (await readdir(store)).filter((name) => name.includes("."));
  const first = build("first");
  await eventually(async () => (await readdir(store).catch(() => [])).length === 1);
  let end = () => {};
  moment.over = new Promise((done) => {
    end = done;
  });
  const second = build("second");
  await eventually(async () => (await folders()).length === 2);
  await mkdir(join(store, "0123.left"));
  await writeFile(join(folder, "go"), "");
  await first;
  // Folders without an owner are removed when the first build has ended.
  await eventually(async () => !(await folders()).includes("0123.left"));
  expect(await folders()).toHaveLength(2);
  end();
  expect(await readdir(await second)).toContain("environment.json");
  await environments.close();
});
