// Goal: docs/clients.md is so. From the protos of the npm package, its commands generate a client
// in each language, and the client that it shows lists the deployments of a running controller and
// calls one through the gateway. Without the language's tools it is left out.
import { execFile } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packedProtos } from "../packed-protos.ts";
import { pythonToolchain, toolchainsRequired } from "../sdk/python-toolchain.ts";
import { Drover, root, run } from "./drover.ts";

const clientsMs = 300_000;
const python = await pythonToolchain();
const go = await promisify(execFile)("go", ["version"]).then(
  () => ({}),
  () => ({ missing: "there is no go on the PATH" }),
);
const isMissing = (...toolchains: readonly object[]) => !toolchainsRequired && toolchains.some((one) => "missing" in one);

let drover: Drover;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-clients-"));
  drover = await Drover.start();
  expect(await drover.cli("run", join(root, "examples/echo/echo.ts"))).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await drover?.close();
  await rm(folder, { recursive: true, force: true });
});

/** The block of that kind under the heading. */
async function block(heading: string, kind: string): Promise<string> {
  const docs = await readFile(join(root, "docs/clients.md"), "utf8");
  const section = docs.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const found = section.match(new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\``, "m"))?.[1];
  if (found === undefined) throw new Error(`docs/clients.md has no ${kind} block under ${heading}`);
  return found;
}

/**
 * Does what the docs say in a folder with the npm package's protos, and returns the client's
 * output.
 */
async function printed(heading: string, kind: string, file: string): Promise<readonly string[]> {
  const at = join(folder, kind);
  await mkdir(join(at, "bin"), { recursive: true });
  await cp(await packedProtos(folder), join(at, "proto"), { recursive: true });
  await writeFile(join(at, file), await block(heading, kind));
  // The toolchain has a protoc within Python.
  const protoc = join(at, "bin/protoc");
  await writeFile(protoc, '#!/bin/sh\nexec python -m grpc_tools.protoc "$@"\n');
  await chmod(protoc, 0o755);
  const path = [join(at, "bin"), "python" in python ? dirname(python.python) : "", process.env.PATH ?? ""];
  const env = {
    PATH: path.filter((part) => part !== "").join(delimiter),
    GOBIN: join(at, "bin"),
    DROVER_API: drover.addresses.api,
    DROVER_GATEWAY: drover.addresses.gateway,
  };
  const { code, stdout, stderr } = await run("bash", ["-e"], { cwd: at, env, input: await block(heading, "sh") });
  expect(code, stderr).toBe(0);
  return stdout.trimEnd().split("\n").slice(-2);
}

test.skipIf(isMissing(go, python))("a client in Go", { timeout: clientsMs }, async () => {
  expect(await printed("Go", "go", "main.go")).toEqual(["echo", "hello from Go"]);
});

test.skipIf(isMissing(python))("a client in Python", { timeout: clientsMs }, async () => {
  expect(await printed("Python", "python", "client.py")).toEqual(["echo", "hello from Python"]);
});
