import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openApi } from "../api/opened-api.ts";
import { filesOf, piecesOf, sendBundle, streamOf } from "../api/sent-bundle.ts";
import { folder, serve } from "./harness.ts";

const moduleAt = (path: string) => ({ kind: { case: "module" as const, value: { path } } });

/** A deployment whose revision 1 has a bundle and whose revision 2 has another one. */
async function deployed() {
  const opened = await openApi();
  onTestFinished(() => opened.close());
  const { controller } = opened;
  const first = await sendBundle(controller, { "app.ts": "1", "data/ä.txt": "" });
  await controller.uploadFiles(streamOf(piecesOf("#!/bin/sh\n")));
  const [script] = filesOf({ "bin/run": "#!/bin/sh\n" });
  await controller.uploadFiles(streamOf(piecesOf("2")));
  const files = [...filesOf({ "app.ts": "2" }), { ...script!, executable: true }];
  const { bundle: second } = await controller.createBundle({ files });
  for (const bundle of [first, second])
    await controller.deploy({ spec: { name: "a", program: moduleAt("app.ts"), runtimeEnv: { bundle } } });
  await controller.deploy({ spec: { name: "b", program: moduleAt("/app.ts") } });
  const cli = await serve({
    getDeployment: (request) => controller.getDeployment(request),
    listRevisions: (request) => controller.listRevisions(request),
    downloadBundle: (request) => controller.downloadBundle(request),
  });
  return { cli, first, second };
}

test("bundle lists the files of a revision, and of the present one without a number", async () => {
  const { cli, first, second } = await deployed();
  const listed = await cli(["bundle", "a"]);
  expect(listed.exitCode).toBe(0);
  expect(listed.stdout.split("\n").map((line) => line.trim().split(/ {2,}/))).toEqual([
    ["SIZE", "PATH"],
    [expect.anything(), "app.ts"],
    [expect.anything(), "x", "bin/run"],
    [""],
  ]);
  expect(listed.stderr).toContain(second);
  const json = JSON.parse((await cli(["bundle", "a", "--revision", "1", "-o", "json"])).stdout);
  expect(json).toMatchObject({
    bundle: first,
    files: [
      { path: "app.ts", size: "1", executable: false },
      { path: "data/ä.txt", size: "0" },
    ],
  });
});

test("bundle prints one file as it is, and writes all into a folder of their own", async () => {
  const { cli } = await deployed();
  const cwd = await folder({});
  expect(await cli(["bundle", "a", "app.ts", "--revision", "1"])).toEqual({ exitCode: 0, stdout: "1", stderr: "" });
  expect(await cli(["bundle", "a", "--to", "new/copy"], { cwd })).toMatchObject({ exitCode: 0, stdout: "" });
  expect(await readFile(join(cwd, "new/copy/app.ts"), "utf8")).toBe("2");
  expect((await stat(join(cwd, "new/copy/bin/run"))).mode & 0o111).not.toBe(0);
  expect((await stat(join(cwd, "new/copy/app.ts"))).mode & 0o111).toBe(0);
  await mkdir(join(cwd, "one"));
  expect(await cli(["bundle", "a", "data/ä.txt", "--revision", "1", "--to", "one"], { cwd })).toMatchObject({ exitCode: 0 });
  expect(await readFile(join(cwd, "one/data/ä.txt"), "utf8")).toBe("");
});

test("bundle says what is not there, and overwrites nothing", async () => {
  const { cli } = await deployed();
  const cwd = await folder({ mine: "mine" });
  for (const argv of [["b"], ["c"], ["a", "--revision", "3"], ["a", "other.ts"], ["a", "--to", "."], ["a", "--to", "mine"]]) {
    const { exitCode, stdout, stderr } = await cli(["bundle", ...argv], { cwd });
    expect([argv, exitCode, stdout, stderr.startsWith("error: ")]).toEqual([argv, 1, "", true]);
  }
  expect((await cli(["bundle", "a", "app.ts", "-o", "json"])).exitCode).toBe(2);
  expect(await readFile(join(cwd, "mine"), "utf8")).toBe("mine");
});

test("a controller cannot have a file written outside the folder, nor another content", async () => {
  const sent = { path: "../escaped", size: 1n, sha256: "0".repeat(64), executable: false };
  const send = (path: string) =>
    serve({
      getDeployment: () => ({ deployment: { spec: { name: "a", runtimeEnv: { bundle: `sha256:${"0".repeat(64)}` } } } }),
      downloadBundle: async function* () {
        yield { part: { case: "file" as const, value: { ...sent, path } } };
        yield { part: { case: "data" as const, value: Buffer.from("x") } };
      },
    });
  const cwd = await folder({});
  for (const path of ["../escaped", "/tmp/escaped", "inside"]) {
    const cli = await send(path);
    expect(await cli(["bundle", "a", "--to", `to-${path.length}`], { cwd })).toMatchObject({ exitCode: 1 });
  }
  await expect(stat(join(cwd, "escaped"))).rejects.toThrow();
});

test("revisions show the short digest of a bundle where any has one", async () => {
  const { cli, first, second } = await deployed();
  const { stdout } = await cli(["revisions", "a"]);
  const rows = stdout
    .trim()
    .split("\n")
    .map((line) => line.split(/ {2,}/).slice(0, 3));
  const short = (digest: string) => digest.slice("sha256:".length, "sha256:".length + 12);
  expect(rows).toEqual([
    ["REVISION", "VERSION", "BUNDLE"],
    ["2", "-", short(second)],
    ["1", "-", short(first)],
  ]);
  expect((await cli(["revisions", "b"])).stdout).not.toContain("BUNDLE");
});
