import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface RayChain {
  /** `host:port` of its HTTP proxy. */
  readonly address: string;
  close(): Promise<void>;
}

/** Starts the chain as a program for Ray Serve, by a python that has the package `ray[serve]`. */
export async function startRayChain(python: string): Promise<RayChain> {
  const child = spawn(python, [join(import.meta.dirname, "programs/ray_chain.py")], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, RAY_USAGE_STATS_ENABLED: "0", RAY_DEDUP_LOGS: "0" },
  });
  const ended = new Promise<void>((done, fail) => {
    child.once("error", fail);
    child.once("close", () => done());
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk));
  const port = new Promise<string>((found) => {
    createInterface(child.stdout).on("line", (line) => line.startsWith("ready ") && found(line.slice("ready ".length)));
  });
  const ready = await Promise.race([port, ended]);
  if (ready === undefined) throw new Error(`Ray Serve did not start by ${python}:\n${log}`);
  const close = () => {
    child.stdin.end();
    return ended;
  };
  return { address: `127.0.0.1:${ready}`, close };
}
