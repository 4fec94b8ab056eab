// Installs what a clone needs to run: npm packages, redis-server, and dist/ built from src/. Prints
// each step that it does; does nothing if nothing is missing. Runs on any Node from 18 on, with
// nothing installed.
//   node scripts/setup.mjs [--quiet]     --quiet: print the output of a command only if it fails
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const quiet = process.argv.includes("--quiet");
const nodeMajorMin = 22;
const redisMajorMin = 7;
const lockWaitMs = 200;
const lockOwnerMs = 5_000; // a lock without a written owner after this time has none
const lockMaxMs = 1_800_000; // a set-up never takes this long: the pid belongs to another process now

const redisRemedies =
  `  Install Redis ${redisMajorMin} or later by hand (https://redis.io/docs/latest/operate/oss_and_stack/install/) so that redis-server is on PATH,\n` +
  "  or name it with DROVER_REDIS_SERVER=/path/to/redis-server,\n" +
  "  or use a running Redis with DROVER_REDIS_URL=redis://host:port.";

const bin = join(root, "node_modules", ".bin");
const built = join("dist", ".built");

/**
 * Each step returns why it is needed (empty: it is not), and does it. The order matters: a step may
 * need the earlier ones.
 */
const steps = [
  { why: packagesMissing, act: installPackages },
  { why: redisMissing, act: installRedis },
  { why: buildMissing, act: build },
];

class Problem extends Error {}

try {
  if (steps.some(({ why }) => why() !== "")) underLock(() => steps.forEach(runStep));
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  console.error(`set-up: ${error.message}`);
  process.exit(1);
}

function runStep({ why, act }) {
  const reason = why();
  if (reason === "") return;
  act(reason);
  const left = why();
  if (left !== "") throw new Problem(`this did not help: ${left}${act === installRedis ? `\n${redisRemedies}` : ""}`);
}

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

// redis-server

function redisMissing() {
  if (process.env.DROVER_REDIS_URL) return ""; // the user has one
  const given = process.env.DROVER_REDIS_SERVER;
  const version = output(given || "redis-server", ["--version"]);
  if (given && !version)
    throw new Problem(`DROVER_REDIS_SERVER=${given} cannot be run: correct it, or unset it to have redis-server found on PATH`);
  if (!version) return "redis-server is not on PATH";
  const number = /v=([\d.]+)/.exec(version)?.[1] ?? "of unknown version";
  if (majorOf(number) >= redisMajorMin) return "";
  throw new Problem(`${given || "redis-server"} is ${number}, and Drover needs ${redisMajorMin} or later.\n${redisRemedies}`);
}

function installRedis(reason) {
  if (onPath("apt-get")) return installRedisWithApt(reason);
  if (!onPath("brew")) throw new Problem(`${reason}, and there is no apt-get or brew to install it with.\n${redisRemedies}`);
  say(`${reason}: brew install redis (no service is started)`);
  run(["brew", "install", "redis"], `brew could not install it.\n${redisRemedies}`);
}

function installRedisWithApt(reason) {
  const asRoot = rootPrefix(reason);
  // RUNLEVEL=1: without systemd, packages start no service. With systemd, the service is stopped
  // below.
  const environment = ["env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive"];
  const apt = (...args) => [...asRoot, ...environment, "apt-get", "-o", "DPkg::Lock::Timeout=300", ...args];
  const install = apt("install", "-y", "--no-install-recommends", "redis-server");
  say(
    `${reason}: ${asRoot.join(" ")}${asRoot.length > 0 ? " " : ""}apt-get install redis-server (the program; it is not left running as a service)`,
  );
  if (!tryRun(install)) {
    say("once more, after apt-get update");
    run(apt("update"), `apt-get update failed.\n${redisRemedies}`);
    run(install, `apt-get could not install redis-server.\n${redisRemedies}`);
  }
  if (!existsSync("/run/systemd/system")) return;
  say("stopping the service redis-server that the package started");
  run([...asRoot, "systemctl", "disable", "--now", "redis-server.service"], "the service redis-server could not be stopped");
}

/** The prefix of a command that only root may run. */
function rootPrefix(reason) {
  if (process.getuid?.() === 0) return [];
  if (onPath("sudo")) {
    if (spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0) return ["sudo", "-n"];
    if (process.stdin.isTTY) return ["sudo"]; // asks for the password
  }
  throw new Problem(`${reason}, and installing it takes root: sudo apt-get install redis-server\n${redisRemedies}`);
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

// running programs

/**
 * Runs a program with our programs first on PATH. Fails with `problem`, after the program's own
 * output.
 */
function run(command, problem) {
  if (!tryRun(command)) throw new Problem(problem);
}

function tryRun([program, ...args]) {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    stdio: quiet ? ["inherit", "pipe", "pipe"] : ["inherit", 2, 2],
    env: withBin(),
    maxBuffer: 64 * 1024 * 1024,
    encoding: "utf8",
  });
  if (signal === "SIGINT") process.exit(130);
  if (status !== 0 && quiet) process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  if (error) say(`${program}: ${error.message}`);
  return status === 0;
}

/** The output of a program; empty: it cannot be run. */
function output(program, args) {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 10_000 });
  return status === 0 ? stdout : "";
}

function withBin() {
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` };
}

function onPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
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

function say(text) {
  console.error(`set-up: ${text}`);
}

function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

function majorOf(version) {
  return Number(/\d+/.exec(version)?.[0] ?? 0);
}
