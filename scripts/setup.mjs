// Installs what a clone needs to run: npm packages, redis-server, and dist/ built from src/. Prints
// each step that it does; does nothing if nothing is missing. Runs on any Node from 18 on, with
// nothing installed.
//   node scripts/setup.mjs [--quiet]     --quiet: print the output of a command only if it fails
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { redisStep } from "./redis.mjs";
import { bin, majorOf, orExit, output, Problem, root, run, runStep, say } from "./run-program.mjs";

process.chdir(root);
const nodeMajorMin = 22;
const lockWaitMs = 200;
const lockOwnerMs = 5_000; // a lock without a written owner after this time has none
const lockMaxMs = 1_800_000; // a set-up never takes this long: the pid belongs to another process now

const built = join("dist", ".built");

/**
 * Each step returns why it is needed (empty: it is not), and does it. The order matters: a step may
 * need the earlier ones.
 */
const steps = [{ why: packagesMissing, act: installPackages }, redisStep, { why: buildMissing, act: build }];

orExit(() => {
  if (steps.some(({ why }) => why() !== "")) underLock(() => steps.forEach(runStep));
});

// npm packages

/** Compares the packages that npm recorded as installed with package-lock.json. */
function packagesMissing() {
  const installed = readJson(join("node_modules", ".package-lock.json"))?.packages;
  if (!installed) return "npm packages are not installed";
  const wanted = Object.entries(readJson("package-lock.json").packages).filter(([path]) => path !== "");
  const changed = wanted.find(([path, { version, optional }]) => (installed[path] ? installed[path].version !== version : !optional));
  if (changed) return `npm packages are not those of package-lock.json (${changed[0].replace(/^node_modules\//, "")})`;
  return existsSync(join(bin, "node")) ? "" : "the npm package node is installed without its program";
}

function installPackages(reason) {
  say(`${reason}: npm ci`);
  run(
    ["npm", "ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"],
    "npm ci failed: its output says why; is the registry reachable?",
  );
  const version = output(join(bin, "node"), ["--version"]);
  if (majorOf(version) >= nodeMajorMin) return;
  throw new Problem(
    `node_modules/.bin/node ${version ? `is ${version.trim()}, and not Node ${nodeMajorMin} or later` : "is missing"}: npm did not run the install script of the package node, ` +
      "which brings the Node that Drover runs on.\n" +
      "  If `npm config get ignore-scripts` says true: npm rebuild node --ignore-scripts=false\n" +
      "  If npm asks for approval of install scripts: npm approve-scripts node, then npm rebuild node",
  );
}

// dist/

function buildMissing() {
  if (!existsSync(built)) return "dist/ is not built";
  return readFileSync(built, "utf8") === sourceState() ? "" : "dist/ is older than its sources";
}

function build(reason) {
  say(`${reason}: node scripts/build.mjs`);
  const state = sourceState(); // taken before the build: changes during it are built the next time
  run(["node", join("scripts", "build.mjs")], "the build failed");
  writeFileSync(built, state);
}

/** A digest that changes with any file that dist/ is built from. */
function sourceState() {
  const hash = createHash("sha256");
  for (const path of ["package.json", "tsconfig.json", join("scripts", "build.mjs"), "gen", "src"]) addState(hash, path);
  return hash.digest("hex");
}

function addState(hash, path) {
  const { mtimeMs, size } = statSync(path);
  let names = [];
  try {
    names = readdirSync(path).sort();
    hash.update(`${path}/\n`);
  } catch {
    hash.update(`${path} ${mtimeMs} ${size}\n`); // not a folder
  }
  for (const name of names) addState(hash, join(path, name));
}

// one at a time

/**
 * Waits for another running set-up of this clone, then runs `work`. Takes over a lock whose owner
 * has died.
 */
function underLock(work) {
  const lock = join(tmpdir(), `drover-setup-${createHash("sha256").update(root).digest("hex").slice(0, 16)}`);
  const owner = join(lock, "pid");
  let announced = false;
  while (!tryLock(lock)) {
    const pid = ownerOf(lock, owner);
    if (pid === undefined) {
      rmSync(lock, { recursive: true, force: true });
      continue;
    }
    if (!announced) say(`another set-up of this clone is running (pid ${pid}): waiting for it`);
    announced = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockWaitMs);
  }
  try {
    writeFileSync(owner, String(process.pid));
    work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function tryLock(lock) {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  }
}

/** The process that has the lock; undefined: none, or it has died. */
function ownerOf(lock, owner) {
  try {
    const ageMs = Date.now() - statSync(lock).mtimeMs;
    const pid = existsSync(owner) ? readFileSync(owner, "utf8") : "";
    if (pid === "") return ageMs < lockOwnerMs ? "not known yet" : undefined;
    if (ageMs > lockMaxMs) return undefined;
    process.kill(Number(pid), 0);
    return pid;
  } catch {
    return undefined; // it has died, or has just released the lock
  }
}

// small things

function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}
