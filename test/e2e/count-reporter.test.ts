import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { root, run } from "./drover.ts";

/** In the repository, so that vitest is found from there. */
const cache = join(root, "node_modules/.cache");
const config = `
  import { CountReporter } from ${JSON.stringify(join(root, "test/kit/count-reporter.ts"))};
  export default { test: { reporters: ["default", new CountReporter()] } };
`;

/** The exit code and the last line of a run of these test files. */
async function runOf(files: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv = {}) {
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "count-reporter-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "vitest.config.ts"), config);
  const imports = 'import { beforeAll, describe, test } from "vitest";\n';
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), imports + text);
  const { code, stdout } = await run(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", "--root", folder], { env });
  return { code, last: stdout.trimEnd().split("\n").at(-1) };
}

const mixed = 'test("a", () => {}); test("b", () => {}); test.skip("c", () => {}); test("d", () => { throw new Error("no"); });';

test.each<NodeJS.ProcessEnv>([{ CI: "true" }, { CI: "", FORCE_COLOR: "1" }])(
  "a run ends with one plain line of counts, with %j",
  async (env) => {
    expect(await runOf({ "a.test.js": mixed }, env)).toEqual({ code: 1, last: "2 passed, 1 failed, 1 skipped" });
  },
);

test("an error outside a test counts as failed", async () => {
  expect(await runOf({ "a.test.js": 'throw new Error("no");' })).toEqual({ code: 1, last: "0 passed, 1 failed, 0 skipped" });
  const hook = 'describe("x", () => { beforeAll(() => { throw new Error("no"); }); test("a", () => {}); });';
  expect(await runOf({ "a.test.js": hook, "b.test.js": mixed })).toEqual({ code: 1, last: "2 passed, 2 failed, 2 skipped" });
  const late = 'test("a", () => { void Promise.reject(new Error("no")); });';
  expect(await runOf({ "a.test.js": late })).toEqual({ code: 1, last: "1 passed, 1 failed, 0 skipped" });
});
