// Goal: what happens to a deployment costs the callers of its handle no call, except those that a
// killed replica worked on, which fail as REPLICA_LOST. Method: callers in both SDKs that never try
// again, without a pause, and faults meanwhile.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.ts";
import type { StatusError } from "../../src/core/errors.ts";
import { python, sdk } from "../sdk/python-harness.ts";
import { pythonToolchain } from "../sdk/python-toolchain.ts";
import { Drover, until } from "./drover.ts";

const callers = 8;
let drover: Drover;
beforeAll(async () => {
  drover = await Drover.start();
  await drover.deploy("worked", { numReplicas: 3, maxOngoingRequests: 8 });
});
afterAll(() => drover?.close());

/** Calls without a pause, in this process. */
function callInTypeScript() {
  const connection = connect(drover.addresses);
  const handle = connection.handle("worked", { timeout: "60s" });
  const failures: string[] = [];
  let going = true;
  let calls = 0;
  const call = async (input: string) => {
    try {
      const answer = await handle.echo(handle.echo(input));
      if (answer.input.input !== input) failures.push(`${answer.input.input} for ${input}`);
    } catch (cause) {
      const { code, reason, message } = cause as StatusError;
      failures.push(reason ?? `${code}: ${message}`);
    }
    calls++;
  };
  const all = Array.from({ length: callers }, async (_, caller) => {
    for (let n = 0; going; n++) await call(`${caller}-${n}`);
  });
  return {
    calls: () => calls,
    failures: async () => {
      going = false;
      await Promise.all(all);
      return failures.splice(0);
    },
    /** One after the other. */
    alone: async () => {
      for (let n = 0; n < 100; n++) await call(`alone-${n}`);
      await connection.close();
      return failures;
    },
  };
}

const script = `
import asyncio, drover, json, sys
async def main():
    handle = drover.handle("worked").options(timeout=60)
    failures, going = [], True
    async def call(given):
        try:
            answer = await handle.echo(handle.echo(given))
            if answer["input"]["input"] != given:
                failures.append(f"{answer} for {given}")
        except drover.StatusError as error:
            failures.append(error.reason or f"{error.code}: {error.message}")
    async def caller(me):
        n = 0
        while going:
            n += 1
            await call(f"{me}-{n}")
            print(n, flush=True)
    all = [asyncio.create_task(caller(n)) for n in range(${callers})]
    await asyncio.to_thread(sys.stdin.readline)
    going = False
    await asyncio.gather(*all)
    print(json.dumps(failures), flush=True)
    failures.clear()
    await asyncio.to_thread(sys.stdin.readline)
    for n in range(100):
        await call(f"alone-{n}")
    print(json.dumps(failures), flush=True)
asyncio.run(main())
`;

/** The same in a script of its own. */
function callInPython() {
  const env = { ...process.env, PYTHONPATH: sdk, DROVER_API: drover.addresses.api, DROVER_GATEWAY: drover.addresses.gateway };
  const child = spawn(python(), ["-c", script], { env, stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill());
  let calls = 0;
  const told: (readonly string[])[] = [];
  createInterface(child.stdout).on("line", (line) => {
    if (line.startsWith("[")) told.push(JSON.parse(line));
    else calls++;
  });
  const next = (count: number) => async () => {
    child.stdin.write("\n");
    await until("the script has counted", () => told.length === count);
    return told[count - 1] ?? [];
  };
  return { calls: () => calls, failures: next(1), alone: next(2) };
}

test("scaling, rollouts, killed replicas and a lost controller cost callers by handles only what such a replica worked on", async () => {
  const clients = "missing" in (await pythonToolchain()) ? [callInTypeScript()] : [callInTypeScript(), callInPython()];
  const goOn = async (what: string) => {
    const before = clients.map(({ calls }) => calls());
    await until(`calls go on after ${what}`, () => clients.every(({ calls }, index) => calls() > (before[index] ?? 0) + 100));
  };
  await goOn("the start");
  await drover.controller.scale({ name: "worked", numReplicas: 1 });
  await drover.settled("worked");
  await goOn("scaling down");
  await drover.deploy("worked", { numReplicas: 3, maxOngoingRequests: 8, initArgs: { v: 2 } });
  await goOn("scaling up and a rollout");
  const [victim] = await drover.running("worked");
  process.kill(Number(victim?.pid), "SIGKILL");
  await goOn("the end of a replica");
  for (const { failures } of clients) {
    const failed = await failures();
    expect(failed.length).toBeLessThanOrEqual(callers);
    expect(failed.filter((reason) => reason !== "REPLICA_LOST")).toEqual([]);
  }
  await drover.settled("worked");
  await drover.end("SIGKILL");
  try {
    for (const { alone } of clients) expect(await alone()).toEqual([]);
  } finally {
    drover = await Drover.start([], drover.dataDir); // ends the replicas with itself
  }
});
