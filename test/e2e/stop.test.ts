// What SIGTERM gives to requests in work.
import { expect, onTestFinished, test } from "vitest";
import { Channel } from "../../src/rpc/channel.ts";
import { invoker } from "../replica/harness.ts";
import { Drover, until } from "./drover.ts";

/** Longer than a replica gives its requests after a SIGTERM without a Drain. */
const workMs = 4_000;

test("a controller that stops gives requests the grace of their deployment, says so, and can be hastened", async () => {
  const drover = await Drover.start();
  onTestFinished(() => drover.close());
  const seconds = (count: number) => ({ gracefulShutdownTimeout: { seconds: BigInt(count) } });
  await drover.deploy("brief", seconds(1));
  await drover.deploy("patient", seconds(3_000));
  let printed = "";
  drover.process.stdout?.on("data", (chunk: Buffer) => {
    printed += chunk;
  });
  const ends: string[] = [];
  const asked = ["brief", "patient"].map((name) =>
    drover.invoke(name, "sleep", 3_600_000).catch((error: { readonly reason?: string }) => ends.push(`${name} ${error.reason}`)),
  );
  await until("both are in work", async () => {
    const { deployments } = await drover.controller.listDeployments({});
    return deployments.every(({ status }) => status?.ongoingRequests === 1n);
  });
  drover.process.kill("SIGTERM");
  await asked[0];
  await until("it says what it waits for", () => printed.includes("brief") && printed.includes("patient"));
  expect(printed).toContain("3000 s");
  drover.process.kill("SIGTERM");
  await asked[1];
  expect(ends).toEqual(["brief SHUTTING_DOWN", "patient SHUTTING_DOWN"]);
  expect(await until("it has ended", () => drover.process.exitCode !== null && [drover.process.exitCode])).toEqual([0]);
});

test("a request that a client sent directly to a replica has that grace, too", async () => {
  const drover = await Drover.start();
  onTestFinished(() => drover.close());
  await drover.deploy("direct", { gracefulShutdownTimeout: { seconds: 3_000n } });
  const [replica] = await drover.running("direct");
  const channel = new Channel(replica?.address ?? "");
  onTestFinished(() => channel.close());
  let printed = "";
  drover.process.stdout?.on("data", (chunk: Buffer) => {
    printed += chunk;
  });
  const answered = invoker(channel).invoke("sleep", workMs);
  await until("it is in work", async () => {
    const { deployment } = await drover.controller.getDeployment({ name: "direct" });
    return deployment?.status?.ongoingRequests === 1n;
  });
  drover.process.kill("SIGTERM");
  await answered;
  expect(printed).toContain("1 request of direct, up to 3000 s");
  expect(await until("it has ended", () => drover.process.exitCode !== null && [drover.process.exitCode])).toEqual([0]);
});
