import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "./harness.ts";

const hook = resolve(import.meta.dirname, "../../src/replica/npm-environment.ts");

test("a project's own name leads to its bundle, and not to the copy that its packages were installed from", async () => {
  const folder = await temporaryFolder();
  const manifest = JSON.stringify({ name: "app", exports: { "./own": "./own.cjs" } });
  const own = "exports.file = __filename;";
  const files = {
    "bundle/package.json": manifest,
    "bundle/own.cjs": own,
    "bundle/main.mjs": `import { createRequire } from "node:module";
      import { file } from "app/own";
      import { name } from "dep";
      console.log(file, createRequire(import.meta.url)("app/own").file, name);`,
    "npm/package.json": manifest,
    "npm/own.cjs": own,
    "npm/node_modules/dep/index.js": 'exports.name = "dep";',
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const bundle = join(folder, "bundle");
  const env = { ...process.env, DROVER_NPM_ENVIRONMENT: join(folder, "npm"), DROVER_BUNDLE_FOLDER: bundle };
  const printed = execFileSync(process.execPath, [`--import=${hook}`, join(bundle, "main.mjs")], { env, encoding: "utf8" });
  expect(printed.trim()).toBe([join(bundle, "own.cjs"), join(bundle, "own.cjs"), "dep"].join(" "));
});
