// A program in Python that is deployed with its files.
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished } from "vitest";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import { refusal, StatusError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log/log.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { implement, type ServiceHandlers } from "../../src/rpc/service.ts";
import { openApi } from "../api/opened-api.ts";
import { temporaryFolder } from "../replica/harness.ts";
import { dedent, runModule, pythonTest as test } from "./python-harness.ts";

/** A program that defines a deployment with these options, and deploys it with these. */
const program = (options = "", ofRun = "") => `
  import drover
  @drover.deployment(${options})
  class Echo: pass
  if __name__ == "__main__":
      try: drover.run(Echo, timeout=0, ${ofRun})
      except drover.StatusError as error: print(error.code, error)
      except ValueError as error: print("ValueError", error)
`;
/** Runs the programs of several files, with the variables that stand before a file. */
const runAll = `
  import os, runpy, sys, tempfile
  for given in sys.argv[1:]:
      *variables, path = given.split(" ")
      before = dict(os.environ)
      os.environ.update(one.split("=") for one in variables)
      tempfile.tempdir = None
      runpy.run_path(path, run_name="__main__")
      os.environ.update(before)
`;

async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), dedent(text));
  }
}

/** A controller without replicas, and a folder whose programs are deployed to it. */
async function opened(files: Readonly<Record<string, string>>) {
  const api = await openApi();
  onTestFinished(() => api.close());
  const folder = await temporaryFolder();
  const tools = await temporaryFolder();
  await write(folder, files);
  await write(tools, { "run_all.py": runAll });
  const run = async (...paths: readonly string[]) => {
    const { stdout, stderr } = await runModule("run_all", paths, tools, { DROVER_API: api.address, HOME: tools }).ended;
    return { said: stdout.trimEnd().split("\n"), stdout, stderr };
  };
  const spec = async (name = "echo") => {
    const { deployment } = await api.controller.getDeployment({ name });
    const { runtimeEnv, program, version } = deployment?.spec ?? {};
    const { bundle = "", lockfile = "", workingDir = "" } = runtimeEnv ?? {};
    const path = program?.kind.case === "module" ? program.kind.value.path : undefined;
    return { path, lockfile, workingDir, bundle, version };
  };
  const list = async (bundle: string) => {
    const paths: string[] = [];
    for await (const { part } of api.controller.downloadBundle({ bundle, listOnly: true })) {
      if (part.case === "file") paths.push(part.value.path);
    }
    return paths;
  };
  return { ...api, folder, run, spec, list };
}

const waits = /^DEADLINE_EXCEEDED /;

describe("the folder that is sent", () => {
  test("is the nearest that is marked, else the program's own, or what `bundle` names; paths of the spec are inside it", async () => {
    const { run, spec, list, folder } = await opened({
      "package.json": "{}",
      "service/pyproject.toml": "",
      "service/uv.lock": "version = 1\n",
      "service/data/a.csv": "1",
      "service/src/deep/app.py": program('name="marked", runtime_env={"working_dir": "../../data"}'),
      "service/src/pylock.toml": "",
      "named/sub/app.py": program('name="named"', 'bundle="..", lockfile=False'),
      "named/sub/requirements.txt": "",
      "repository/.git/HEAD": "",
      "repository/uv.lock": "version = 1\n",
      "repository/member/pyproject.toml": `[project]\ndependencies = ["numpy"]\n`,
      "repository/member/app.py": program('name="member"'),
    });
    const alone = await temporaryFolder();
    await write(alone, { "app.py": program('name="alone"'), "sub/uv.lock": "" });
    const paths = ["service/src/deep/app.py", "named/sub/app.py", "repository/member/app.py"].map((path) => join(folder, path));
    const { said, stdout, stderr } = await run(...paths, `${alone}/app.py`);
    expect(said, stdout).toEqual(Array(4).fill(expect.stringMatching(waits)));
    expect(stderr.split("repository/uv.lock")).toHaveLength(2); // told of one program
    const [marked, named, own] = await Promise.all(["marked", "named", "alone"].map(spec));
    expect(marked).toMatchObject({ path: "src/deep/app.py", lockfile: "src/pylock.toml", workingDir: "data", version: "" });
    expect(await list(marked?.bundle ?? "")).toEqual(["data/a.csv", "pyproject.toml", "src/deep/app.py", "src/pylock.toml", "uv.lock"]);
    expect(named).toMatchObject({ path: "sub/app.py", lockfile: "", workingDir: "" });
    expect(await list(named?.bundle ?? "")).toEqual(["sub/app.py", "sub/requirements.txt"]);
    expect(own).toMatchObject({ path: "app.py", lockfile: "", workingDir: "" });
    expect(await list(own?.bundle ?? "")).toEqual(["app.py", "sub/uv.lock"]);
  });

  test("is refused where it would be a home, is none, or lacks the program or the working folder", async () => {
    const { run, folder } = await opened({
      "app.py": program(),
      "none.py": program("", 'bundle="no/such"'),
      "other.py": program("", 'bundle="sub"'),
      "sub/a": "",
      "a/app.py": program("", 'bundle="."'),
      "a/.droverignore": "app.*\n",
      "b/app.py": program("", 'bundle="."'),
      "b/.droverignore": "*\n",
      "c/app.py": program('runtime_env={"working_dir": "../a"}', 'bundle="."'),
      "d/app.py": program('runtime_env={"working_dir": "/data"}', 'bundle="."'),
    });
    const files = ["none.py", "other.py", "a/app.py", "b/app.py", "c/app.py", "d/app.py"].map((path) => join(folder, path));
    const { said, stderr } = await run(`HOME=${folder} ${folder}/app.py`, `TMPDIR=${folder} ${folder}/app.py`, ...files);
    const refused = [/bundle=/, /bundle=/, /no\/such/, /sub.*other\.py/, /app\.py.*\.droverignore/, /no file.*\.droverignore/];
    const working = [/runtime_env\.working_dir: \/.*[^.]\/a .*bundle=/, /runtime_env\.working_dir: \/data .*bundle=False/];
    expect(said, stderr).toEqual([...refused, ...working].map(({ source }) => expect.stringMatching(`^ValueError .*${source}`)));
  });

  test("is not sent for a spec that names a bundle, and a lockfile that is named stays", async () => {
    const { run, spec, folder } = await opened({
      "requirements.txt": "",
      "more.txt": "",
      "requirements-gpu.txt": "",
      "src/own.py": "",
      "data/a": "",
      "app.py": program('runtime_env={"lockfile": "requirements-gpu.txt"}, version="7"'),
    });
    await run(`${folder}/app.py`);
    const { bundle, ...rest } = await spec();
    expect(rest).toEqual({ path: "app.py", lockfile: "requirements-gpu.txt", workingDir: "", version: "7" });
    await write(folder, { "src/own.py": program(`runtime_env={"bundle": "${bundle}", "working_dir": "../data"}`), "more.txt": "changed" });
    const { stdout, stderr } = await run(`${folder}/src/own.py`);
    expect(stdout, stderr).toMatch(waits);
    expect(await spec()).toMatchObject({ bundle, path: "src/own.py", workingDir: "data", lockfile: "" });
  });
});

test("what the controller has is not sent again, and a change sends one file", async () => {
  const { run, spec, folder } = await opened({ "app.py": program(), "a.txt": "a", "same.txt": "a" });
  const first = await run(`${folder}/app.py`);
  const { bundle } = await spec();
  expect(first.stderr).toMatch(/\b2 files\b.*bytes\n$/);
  expect((await run(`${folder}/app.py`)).stderr).toBe("");
  expect((await spec()).bundle).toBe(bundle);
  await appendFile(join(folder, "a.txt"), "b");
  expect((await run(`${folder}/app.py`)).stderr).toMatch(/\b1 file\b.*2 bytes\n$/);
  expect((await spec()).bundle).not.toBe(bundle);
});

test("an application is sent once, with one bundle for all its deployments", async () => {
  const { run, spec, folder } = await opened({
    "requirements.txt": "",
    "app.py": `
      import drover
      @drover.deployment
      class Model: pass
      @drover.deployment
      class Front:
          def __init__(self, model): pass
      app = Front.bind(Model.bind())
      if __name__ == "__main__":
          try: drover.run(app, timeout=0)
          except drover.StatusError as error: print(error.code)
    `,
  });
  const { stdout, stderr } = await run(`${folder}/app.py`);
  expect(stdout, stderr).toBe("DEADLINE_EXCEEDED\n");
  expect(stderr.split("\n")).toHaveLength(2);
  const [front, model] = await Promise.all([spec("front"), spec("model")]);
  expect(front).toEqual(model);
  expect(front).toMatchObject({ path: "app.py", lockfile: "requirements.txt" });
});

test("a script uploads files, makes a bundle of them and reads it", async () => {
  const { run, folder } = await opened({
    "check.py": `
      import asyncio, drover, hashlib
      from drover import types
      texts = {"a.txt": b"a" * 3_000_000, "empty": b"", "same.txt": b"a" * 3_000_000, "run.sh": b"#!/bin/sh"}
      sha256 = {path: hashlib.sha256(text).hexdigest() for path, text in texts.items()}
      files = [types.BundleFile(path=path, executable=path == "run.sh", size=len(text), sha256=sha256[path]) for path, text in texts.items()]
      def pieces(paths):
          for path in paths:
              text = texts[path]
              yield types.UploadFilesRequest(sha256=sha256[path], size=len(text), data=text[:1_000_000])
              for at in range(1_000_000, len(text), 1_000_000):
                  yield {"data": text[at : at + 1_000_000]}
      with drover.Client() as client:
          missing = client.find_missing_files(list(sha256.values()))
          assert missing == [sha256["a.txt"], sha256["empty"], sha256["run.sh"]], missing
          try: client.create_bundle(files)
          except drover.StatusError as error: print(error.code, error.reason)
          uploaded = client.upload_files(pieces(["a.txt", "empty"]))
          assert (uploaded.files, uploaded.bytes) == (2, 3_000_000), uploaded
          try: client.upload_files([types.UploadFilesRequest(sha256=sha256["run.sh"], size=9, data=b"#!/bin/no")])
          except drover.StatusError as error: print(error.code, error.reason)
          client.upload_files(pieces(["run.sh"]))
          assert client.find_missing_files(list(sha256.values())) == []
          bundle = client.create_bundle(files)
          read = {}
          for part in client.download_bundle(bundle):
              if part.file is not None: path = part.file.path; read[path] = b""; assert part.file.executable == (path == "run.sh")
              else: read[path] += part.data
          assert read == texts and list(read) == sorted(read)
          try: list(client.download_bundle(bundle, path="no"))
          except drover.StatusError as error: print(error.code, error.reason)
      async def main():
          async with drover.AsyncClient() as client:
              assert await client.create_bundle(files) == bundle
              assert (await client.upload_files(pieces(["a.txt"]))).files == 1
              print([part.file.path async for part in client.download_bundle(bundle, list_only=True)])
      asyncio.run(main())
    `,
  });
  const { stdout, stderr } = await run(`${folder}/check.py`);
  expect(stdout.split("\n"), stderr).toEqual([
    "FAILED_PRECONDITION FILES_MISSING",
    "INVALID_ARGUMENT DIGEST_MISMATCH",
    "NOT_FOUND FILE_NOT_FOUND",
    "['a.txt', 'empty', 'run.sh', 'same.txt']",
    "",
  ]);
});

describe("faults", () => {
  type Handlers = Partial<ServiceHandlers<typeof ControllerService>>;

  /** Runs `run` of a program against a controller of these answers; the rest fails. */
  async function runAgainst(handlers: Handlers, source: string, files: Readonly<Record<string, string>> = {}) {
    const bounds = { maxFiles: 1_000, maxFileBytes: 10_000_000n, maxBundleBytes: 10_000_000n };
    const others = Object.fromEntries(
      ControllerService.methods.map(({ localName }) => [localName, () => Promise.reject(refusal("INTERNAL", localName))]),
    );
    const known: Handlers = {
      getCluster: () => ({ bundleBounds: bounds }),
      findMissingFiles: ({ sha256 }) => ({ sha256 }),
      createBundle: () => ({ bundle: `sha256:${"0".repeat(64)}` }),
    };
    const controller = implement(ControllerService, { ...others, ...known, ...handlers } as unknown as ServiceHandlers<
      typeof ControllerService
    >);
    const server = new RpcServer({ implementations: [controller], log: silentLog, clock: realClock });
    onTestFinished(() => server.close(0));
    const folder = await temporaryFolder();
    const address = await server.listen(`unix:${join(folder, "api.sock")}`);
    await write(folder, { "app/app.py": source, ...files });
    return runModule("app", [], join(folder, "app"), { DROVER_API: address }).ended;
  }

  test("an upload whose connection is lost is repeated, up to three times", async () => {
    const uploads: number[] = [];
    const losing = (times: number): Handlers => ({
      uploadFiles: async (pieces) => {
        let bytes = 0;
        for await (const { data } of pieces) {
          bytes += data.length;
          if (uploads.length < times) {
            uploads.push(bytes);
            throw new StatusError("UNAVAILABLE", "lost");
          }
        }
        uploads.push(bytes);
        return { files: 1, bytes: BigInt(bytes) };
      },
    });
    const files = { "app/large": "x".repeat(2_000_000) };
    expect((await runAgainst(losing(2), program(), files)).stdout).toMatch(/^INTERNAL INTERNAL: apply/);
    expect(uploads).toHaveLength(3);
    expect(uploads[2]).toBeGreaterThan(2_000_000);
    uploads.length = 0;
    expect((await runAgainst(losing(3), program(), files)).stdout).toMatch(/^UNAVAILABLE .*lost/);
    expect(uploads).toHaveLength(3);
  });

  test("large uploads are several calls", async () => {
    const calls: string[][] = [];
    const handlers: Handlers = {
      uploadFiles: async (pieces) => {
        const sha256s: string[] = [];
        for await (const { sha256 } of pieces) if (sha256 !== "") sha256s.push(sha256);
        calls.push(sha256s);
        return { files: sha256s.length, bytes: 0n };
      },
    };
    const source = `
      import drover.bundle_upload
      drover.bundle_upload.CALL_BYTES, drover.bundle_upload.CALL_FILES = 1000, 3
      ${program().trim().replaceAll("\n", "\n    ")}
    `;
    const texts = Object.fromEntries(["a", "b", "c", "d", "e"].map((name) => [`app/${name}`, name.repeat(name === "d" ? 5_000 : 10)]));
    expect((await runAgainst(handlers, source, texts)).stdout).toMatch(/apply/);
    expect(calls.map((sha256s) => sha256s.length)).toEqual([3, 1, 1, 1]);
  });

  test("a file that changes while it is sent is read again, and named where it never stops", async () => {
    const received: string[] = [];
    const handlers: Handlers = {
      uploadFiles: async (pieces) => {
        for await (const { sha256 } of pieces) if (sha256 !== "") received.push(sha256);
        return { files: 0, bytes: 0n };
      },
    };
    // Each time the digests are there, the program changes its file, as often as it is asked to.
    const changing = (times: number) => `
      from drover import bundle_upload
      real, left = bundle_upload.Pieces, ${times}
      def pieces(batch, sent):
          global left
          left -= 1
          if left >= 0:
              with open("a.txt", "w") as file: file.write(str(left))
          return real(batch, sent)
      bundle_upload.Pieces = pieces
      ${program().trim().replaceAll("\n", "\n    ")}
    `;
    const files = { "app/a.txt": "a" };
    expect((await runAgainst(handlers, changing(2), files)).stdout).toMatch(/INTERNAL: apply/);
    expect((await runAgainst(handlers, changing(3), files)).stdout).toMatch(/^ValueError a\.txt .*\.droverignore/);
  });

  test("a controller that keeps no bundles is named", async () => {
    expect((await runAgainst({ getCluster: () => ({}) }, program())).stdout).toMatch(/^ValueError .*bundle=False/);
  });

  test("a controller that lost files in the meantime gets them again", async () => {
    let bundles = 0;
    const handlers: Handlers = {
      uploadFiles: async (pieces) => {
        for await (const _ of pieces);
        return { files: 1, bytes: 0n };
      },
      createBundle: () => {
        if (bundles++ === 0) throw refusal("FILES_MISSING", "lost");
        return { bundle: `sha256:${"0".repeat(64)}` };
      },
    };
    expect((await runAgainst(handlers, program())).stdout).toMatch(/INTERNAL: apply/);
    expect(bundles).toBe(2);
  });
});
