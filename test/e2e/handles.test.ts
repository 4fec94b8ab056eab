// Programs and scripts in TypeScript that call deployments by handles, under a real controller.
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.ts";
import { python, pythonTest } from "../sdk/python-harness.ts";
import { pythonToolchain } from "../sdk/python-toolchain.ts";
import { Drover, fixturePath, root, run, until } from "./drover.ts";

let drover: Drover;
beforeAll(async () => {
  if (!("missing" in (await pythonToolchain()))) process.env.PATH = `${dirname(python())}:${process.env.PATH}`; // the replicas' `python3`
  drover = await Drover.start();
  const autoscalingConfig = { maxReplicas: 4, targetOngoingRequests: 1, upscaleDelay: { seconds: 0n } };
  await Promise.all([
    drover.deploy("last", {}, "calls.ts"),
    drover.deploy("idle", { autoscalingConfig: { ...autoscalingConfig, minReplicas: 0, initialReplicas: 0 } }),
    drover.deploy("busy", { autoscalingConfig: { ...autoscalingConfig, minReplicas: 1 }, maxOngoingRequests: 1 }),
  ]);
});
afterAll(() => drover?.close());

test("a replica knows the controller that started it", async () => {
  const { api, gateway } = drover.addresses;
  expect(await drover.invoke("last", "addresses", null)).toEqual({ api, gateway });
});

pythonTest("a first caller that leaves ends all three hops: TypeScript, Python, TypeScript", async () => {
  const argv = ["python3", "-m", "drover.replica", fixturePath("calls.py"), "Front"];
  const program = { kind: { case: "command" as const, value: { argv } } };
  await drover.deploy("middle", { program, maxOngoingRequests: 20, initArgs: { back: { $deployment: "last" } } });
  await drover.deploy("first", { initArgs: { next: { $deployment: "middle" } } }, "calls.ts");
  const who = async (name: string) =>
    (await drover.invoke(name, "who", null)) as { readonly came: readonly string[]; readonly left: readonly string[] };
  const ends = async (who_: string, begin: (caller: AbortSignal) => Promise<unknown>, code: string, leave: boolean) => {
    const caller = new AbortController();
    const call = begin(caller.signal);
    await until(`${who_} is at the last hop`, async () => (await who("last")).came.includes(who_));
    if (leave) caller.abort();
    await expect(call).rejects.toMatchObject({ code });
    for (const name of ["first", "last"]) await until(`${who_} has ended at ${name}`, async () => (await who(name)).left.includes(who_));
  };
  await ends("leaves", (signal) => drover.invoke("first", "wait", "leaves", { signal }), "CANCELLED", true);
  await ends("late", () => drover.invoke("first", "wait", "late", { deadlineMs: 2_000 }), "DEADLINE_EXCEEDED", false);
  const ongoing = async (name: string) => (await drover.running(name))[0]?.ongoingRequests;
  for (const name of ["first", "middle", "last"]) await until(`nothing is in work at ${name}`, async () => (await ongoing(name)) === 0n);
});

test("a script starts a deployment at zero, and ends by itself", async () => {
  const script = `
    import { handle } from "drover/client";
    const idle = handle("idle", { timeout: "60s" });
    const { input } = await idle.echo("hi");
    console.log(input);
    for await (const number of idle.count.stream(3)) console.log(number);`;
  const env = { DROVER_API: drover.addresses.api, DROVER_GATEWAY: drover.addresses.gateway };
  const ended = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: root, env });
  expect(ended).toEqual({ code: 0, stdout: "hi\n1\n2\n3\n", stderr: "" });
});

test("callers that wait are load: they get replicas", async () => {
  const connection = connect(drover.addresses);
  onTestFinished(() => connection.close());
  const leave = new AbortController();
  const busy = connection.handle("busy", { signal: leave.signal });
  const calls = Array.from({ length: 20 }, () => busy.sleep(600_000));
  const ended = Promise.allSettled(calls);
  await until("all replicas run", async () => (await drover.running("busy")).length === 4);
  leave.abort();
  await ended;
});
