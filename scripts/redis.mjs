// Finds a redis-server for the private Redis of a controller, or installs it with the system's package
// manager, and says so. Runs on any Node from 18 on, with nothing installed.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { majorOf, onPath, output, Problem, run, say, tryRun } from "./run-program.mjs";

const redisMajorMin = 7;

const redisRemedies =
  `  Install Redis ${redisMajorMin} or later by hand (https://redis.io/docs/latest/operate/oss_and_stack/install/) so that redis-server is on PATH,\n` +
  "  or name it with DROVER_REDIS_SERVER=/path/to/redis-server,\n" +
  "  or use a running Redis with DROVER_REDIS_URL=redis://host:port.";

/** As a step of the set-up: why it is needed (empty: it is not), and what does it. */
export const redisStep = { why: redisMissing, act: installRedis, remedies: redisRemedies };

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
