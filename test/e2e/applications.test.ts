// Applications on the command line, with a real controller and real replicas.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Drover, fixturePath, mainPath, until } from "./drover.ts";

const part = (name: string) =>
  JSON.stringify({ name, application: "shop", resources: { num_cpus: 0.01 }, program: { module: { path: fixturePath("greets.ts") } } });

test("an application is deployed, shown, pruned and deleted as one, and run --attach takes away what it deployed", async () => {
  const drover = await Drover.start();
  onTestFinished(() => drover.close());
  const folder = await mkdtemp(join(tmpdir(), "drover-shop-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "shop.yaml");

  const attached = spawn(process.execPath, [mainPath, "run", fixturePath("greets.ts"), "--attach"], {
    env: { ...process.env, DROVER_API: drover.addresses.api, NO_COLOR: "1" },
  });
  let printed = "";
  for (const output of [attached.stdout, attached.stderr]) output.on("data", (chunk: Buffer) => (printed += chunk));

  await writeFile(file, `${part("cart")}\n---\n${part("till")}\n`);
  expect(await drover.cli("deploy", file)).toMatchObject({ code: 0, stdout: expect.stringContaining("till  HEALTHY") });
  const status = JSON.parse((await drover.cli("status", "--app", "shop", "-o", "json")).stdout) as { spec: { name: string } }[];
  expect(status.map(({ spec }) => spec.name)).toEqual(["cart", "till"]);
  const logs = (await drover.cli("logs", "--app", "shop")).stdout;
  expect(logs).toMatch(/^cart-\w+ {2}hello$/m);
  expect(logs).toMatch(/^till-\w+ {2}hello$/m);

  await until("it is attached", () => printed.includes("attached to greets") && /greets-\w+ {2}hello/.test(printed));
  await writeFile(file, part("cart"));
  expect(await drover.cli("deploy", file, "--prune")).toMatchObject({ code: 0, stdout: expect.stringContaining("till  deleted") });
  expect((await drover.controller.listDeployments({})).deployments.map(({ spec }) => spec?.name)).toEqual(["cart", "greets"]);
  expect(await drover.cli("delete", "--app", "shop")).toMatchObject({ code: 0, stdout: "cart  deleted\n" });

  attached.kill("SIGINT");
  expect(await until("it has ended", () => attached.exitCode !== null && [attached.exitCode])).toEqual([130]);
  expect(printed).toContain("greets  deleted");
  expect((await drover.controller.listDeployments({})).deployments).toEqual([]);
});
