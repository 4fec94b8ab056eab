// Builds the wheel of the Python package: the SDK, and within it the controller with the npm packages
// that it needs, so that `pip install` brings the command `drover`.
//   node scripts/build-wheel.mjs [--out FOLDER] [--python PATH]     default: sdk/python/dist, python3
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const root = resolve(import.meta.dirname, "..");
const { values } = parseArgs({
  options: { out: { type: "string", default: join(root, "sdk/python/dist") }, python: { type: "string", default: "python3" } },
});
/** Where the demo, its programs and its text are. */
const demo = ["examples/sentiment", "examples/threshold", "examples/autoscaled", "README.md"];
/** The npm packages of the demo, which the controller does not need. */
const demoPackages = ["node_modules/wink-nlp", "node_modules/wink-eng-lite-web-model"];
const scripts = ["scripts/run-program.mjs", "scripts/redis.mjs", "scripts/ensure-redis.mjs"];

const stage = mkdtempSync(join(tmpdir(), "drover-wheel-"));
try {
  copySdk(stage);
  cpSync(join(root, "LICENSE"), join(stage, "LICENSE"));
  const controller = join(stage, "drover/_controller");
  for (const path of ["package.json", "LICENSE", "dist/src", "dist/gen", "dist/bundle", ...scripts, ...demo, ...runtimePackages()]) {
    cpSync(join(root, path), join(controller, path), { recursive: true, filter: needed });
  }
  // The controller puts this folder on the path of replicas. The whole site-packages there would
  // hide the packages of a deployment's own environment.
  copySdk(join(controller, "sdk/python"));
  const pip = ["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", resolve(values.out), stage];
  const { status } = spawnSync(values.python, pip, { stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
} finally {
  rmSync(stage, { recursive: true, force: true });
}

function copySdk(folder) {
  for (const path of ["pyproject.toml", "README.md", "drover"]) {
    cpSync(join(root, "sdk/python", path), join(folder, path), {
      recursive: true,
      filter: (from) => !/__pycache__|\.egg-info|_controller/.test(from),
    });
  }
}

/** The folders of the npm packages that run in production, by package-lock.json, and of the demo. */
function runtimePackages() {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const runs = ([path, { dev, devOptional, optional }]) => path !== "" && !dev && !devOptional && !optional;
  return [...Object.entries(packages).filter(runs), ...demoPackages.map((path) => [path])].map(([path]) => path);
}

/** Leaves out what no program reads: types, maps, and the sources and tests of packages. */
function needed(path) {
  return !/\.(?:d\.[mc]?ts|map|tsbuildinfo)$|\/node_modules\/\.|\/node_modules\/.*\/(?:test|tests|docs|example|examples|benchmark|benchmarks)$/.test(
    path,
  );
}
