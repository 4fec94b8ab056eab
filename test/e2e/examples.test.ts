import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Drover, root, run } from "./drover.ts";

/** Installing a package and running the demo take longer than a usual test. */
const longMs = 240_000;

let drover: Drover;
beforeAll(async () => {
  drover = await Drover.start();
});
afterAll(() => drover.close());

const example = (path: string) => join(root, "examples", path);

test("the autoscaled example has no replica until it is called", async () => {
  expect(await drover.cli("run", example("autoscaled/waiter.ts"))).toMatchObject({ code: 0 });
  expect(await drover.running("waiter")).toEqual([]);
  expect(await drover.invoke("waiter", "serve", { ms: 1 })).toEqual({ waited: 1 });
});

test("a function is a deployment with one method", async () => {
  expect(await drover.cli("run", example("echo/echo.ts"))).toMatchObject({ code: 0 });
  expect(await drover.invoke("echo", "", { hello: "world" })).toMatchObject({ echo: { hello: "world" } });
  expect(await drover.invoke("echo", "echo", 1)).toMatchObject({ echo: 1 });
});

test("a program's own gRPC service is called through the gateway by its own typed client", async () => {
  expect(await drover.cli("run", example("greeter/greeter.ts"))).toMatchObject({ code: 0 });
  const client = await run(process.execPath, [example("greeter/client.ts"), drover.addresses.gateway, "Ada"]);
  expect(client).toMatchObject({ code: 0, stdout: "Hello, Ada!\nHello, Ada! (1)\nHello, Ada! (2)\nHello, Ada! (3)\n" });
  const nameless = await run(process.execPath, [example("greeter/client.ts"), drover.addresses.gateway, ""]);
  expect(nameless.stderr).toContain("tell me whom to greet");
});

test("a threshold is changed in replicas that took long to start, without another start", async () => {
  expect(await drover.cli("run", example("threshold/threshold.ts"))).toMatchObject({ code: 0 });
  const pids = async () => (await drover.running("threshold")).map(({ pid }) => pid).toSorted((a, b) => Number(a - b));
  const before = await pids();
  expect(before).toHaveLength(2);
  // About a third of all values lie further out than 1.
  expect(await drover.invoke("threshold", "classify", { value: 1 })).toEqual({ label: "common", threshold: 0.01 });
  expect(await drover.cli("reconfigure", "threshold", '{"threshold": 0.99}')).toMatchObject({ code: 0 });
  for (let call = 0; call < 10; call++)
    expect(await drover.invoke("threshold", "classify", { value: 1 })).toEqual({ label: "rare", threshold: 0.99 });
  const refused = await drover.cli("reconfigure", "threshold", '{"threshold": 2}');
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("threshold must be a number from 0 to 1, not 2") });
  expect(await drover.invoke("threshold", "classify", { value: 1 })).toEqual({ label: "rare", threshold: 0.99 });
  expect(await pids()).toEqual(before);
});

test("a program in another folder runs with the packed package", { timeout: longMs }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "drover-pack-"));
  try {
    const packed = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder]);
    expect(packed.code, packed.stderr).toBe(0);
    const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
    const project = join(folder, "project");
    await mkdir(project);
    await writeFile(join(project, "package.json"), '{ "name": "elsewhere", "private": true, "type": "module" }');
    await writeFile(
      join(project, "app.ts"),
      'import { deployment } from "drover";\nexport default deployment(function shout({ text }: { text: string }) {\n  return text.toUpperCase();\n}, { version: "1", resources: { numCpus: 0.1 } });\n',
    );
    await writeFile(
      join(project, "client.ts"),
      'import { connect } from "drover/client";\nimport { DeploymentState } from "drover/gen/drover/v1/deployment_pb";\nconst drover = connect();\nconsole.log(await drover.deployment("shout").invoke("", { text: "hi" }), DeploymentState.HEALTHY);\nawait drover.close();\n',
    );
    const installed = await run("npm", ["install", "--save-dev", "--no-audit", "--no-fund", join(folder, filename)], { cwd: project });
    expect(installed.code, installed.stderr).toBe(0);
    const env = { DROVER_API: drover.addresses.api, DROVER_GATEWAY: drover.addresses.gateway };
    const deployed = await run(process.execPath, [join(project, "node_modules/drover/dist/src/main.js"), "run", "app.ts"], {
      cwd: project,
      env,
    });
    expect(deployed.code, deployed.stderr).toBe(0);
    expect(await drover.invoke("shout", "", { text: "hello" })).toBe("HELLO");
    expect(await run(process.execPath, ["client.ts"], { cwd: project, env })).toMatchObject({ code: 0, stdout: "HI 4\n" });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("the demo shows the main job and ends well", { timeout: longMs }, async () => {
  const demo = await run(process.execPath, [example("demo.ts")]);
  expect(demo.code, demo.stderr).toBe(0);
  expect(demo.stdout).toMatch(/\d+ answered, \d+ retried by their client, 0 lost/);
  expect(demo.stdout).toContain("took its place");
});
