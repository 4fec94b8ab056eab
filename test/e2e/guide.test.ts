// The guide's examples, each in TypeScript and in Python, deployed as a user would and held to the same behaviour.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ResourceKind } from "../../gen/drover/v1/facts_pb.ts";
import { pythonToolchain, toolchainsRequired } from "../sdk/python-toolchain.ts";
import { Drover, root, run, until } from "./drover.ts";

const toolchain = await pythonToolchain();
const missing = "missing" in toolchain ? toolchain.missing : undefined;
if (missing !== undefined && !toolchainsRequired) console.warn(`the guide's examples in Python are skipped: ${missing}`);

let drover: Drover;
beforeAll(async () => {
  // `drover run app.py` and its replicas take the `python3` of the PATH.
  if ("python" in toolchain) process.env.PATH = `${dirname(toolchain.python)}:${process.env.PATH}`;
  drover = await Drover.start(["--num-gpus", "1"]);
});
afterAll(() => drover.close());

const languages = [
  { language: "TypeScript", file: (name: string) => `${name}.ts`, skipped: false },
  { language: "Python", file: (name: string) => `${name.replaceAll("-", "_")}.py`, skipped: missing !== undefined && !toolchainsRequired },
];

describe.each(languages)("in $language", ({ file, skipped, language }) => {
  const deploy = async (example: string, ...args: readonly string[]) => {
    const [name = "", exportName] = example.split(":");
    const path = join(root, "examples", name === "threshold" && language === "TypeScript" ? "threshold" : "guide", file(name));
    const { code, stderr } = await drover.cli("run", exportName ? `${path}:${exportName}` : path, ...args);
    expect(code, stderr).toBe(0);
  };
  const pids = async (name: string) => (await drover.running(name)).map(({ pid }) => Number(pid)).toSorted((a, b) => a - b);
  const gone = (...names: readonly string[]) => drover.cli("delete", ...names);

  test.skipIf(skipped)(
    "an update of what a replica is started with replaces the replicas, running it again unchanged does not",
    async () => {
      await deploy("update");
      expect(await drover.invoke("greeting", "greet", "Ada")).toBe("Hello, Ada!");
      const before = await pids("greeting");
      await deploy("update");
      expect(await pids("greeting")).toEqual(before);
      const leave = new AbortController();
      const clients = Array.from({ length: 4 }, async () => {
        let answered = 0;
        for (; !leave.signal.aborted; answered++)
          expect(await drover.invoke("greeting", "greet", "Ada")).toMatch(/^(Hello|Good morning), Ada!$/);
        return answered;
      });
      await deploy("update", "--init-args", '{"greeting": "Good morning"}');
      leave.abort();
      for (const answered of await Promise.all(clients)) expect(answered).toBeGreaterThan(0); // and none failed
      expect(await drover.invoke("greeting", "greet", "Ada")).toBe("Good morning, Ada!");
      expect((await pids("greeting")).filter((pid) => before.includes(pid))).toEqual([]);
      await gone("greeting");
    },
  );

  test.skipIf(skipped)("scaling starts and stops replicas and leaves the others alone", async () => {
    await deploy("scale");
    const before = await pids("square");
    expect(before).toHaveLength(2);
    expect(await drover.invoke("square", "", 7)).toBe(49);
    expect((await drover.cli("scale", "square", "3")).code).toBe(0);
    const more = await pids("square");
    expect(more).toHaveLength(3);
    expect(more).toEqual(expect.arrayContaining(before));
    await gone("square");
  });

  test.skipIf(skipped)("more load than the replicas are to have starts more", async () => {
    await deploy("autoscale");
    expect(await drover.invoke("sleeper", "sleep", 0.01)).toEqual({ slept: 0.01 });
    const leave = new AbortController();
    const load = Array.from({ length: 10 }, async () => {
      while (!leave.signal.aborted) await drover.invoke("sleeper", "sleep", 0.5, { signal: leave.signal }).catch(() => {});
    });
    await until("more replicas run", async () => (await drover.running("sleeper")).length > 1);
    leave.abort();
    await Promise.all(load);
    await gone("sleeper");
  });

  test.skipIf(skipped)("two deployments share a GPU, half each, and a third finds no room", async () => {
    const [first, second] = language === "Python" ? (["first_half", "second_half"] as const) : (["firstHalf", "secondHalf"] as const);
    await deploy(`half-gpus:${first}`);
    await deploy(`half-gpus:${second}`);
    for (const name of ["first-half", "second-half"]) expect(await drover.invoke(name, "", null)).toEqual({ gpus: "0" });
    await drover.controller.scale({ name: "first-half", numReplicas: 2 });
    await until("a replica waits for a GPU", async () => {
      const { replicas } = await drover.controller.listReplicas({ deployment: "first-half" });
      return replicas.some(({ pendingReason }) => pendingReason?.shortages.some(({ resource }) => resource === ResourceKind.GPU));
    });
    await gone("first-half", "second-half");
  });

  test.skipIf(skipped)("a program that sets its number of threads has that one", async () => {
    await deploy("threads");
    expect(await drover.invoke("threads", "count", null)).toEqual({ threads: 2 });
    await gone("threads");
  });

  test.skipIf(skipped)("a threshold is changed in replicas that go on running", async () => {
    await deploy("threshold");
    const before = await pids("threshold");
    // About a third of all values lie further out than 1.
    expect(await drover.invoke("threshold", "classify", { value: 1 })).toEqual({ label: "common", threshold: 0.01 });
    expect((await drover.cli("reconfigure", "threshold", '{"threshold": 0.99}')).code).toBe(0);
    expect(await drover.invoke("threshold", "classify", { value: 1 })).toEqual({ label: "rare", threshold: 0.99 });
    const refused = await drover.cli("reconfigure", "threshold", '{"threshold": 2}');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("threshold must be a number from 0 to 1, not 2") });
    expect(await pids("threshold")).toEqual(before);
    await gone("threshold");
  });
});

test.skipIf(missing !== undefined && !toolchainsRequired)(
  "a program in Python deploys itself, twice, and calls itself, and the command line finds it unchanged",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "drover-guide-"));
    try {
      const path = join(folder, "itself.py");
      const text = `
import drover
from drover import run

@drover.deployment(resources={"num_cpus": 0.1})
class Itself:
    def twice(self, n): return 2 * n
    def count(self, to): yield from range(to)

if __name__ == "__main__":
    run(Itself)
    with drover.get(drover.run(Itself)) as itself:
        print(itself.invoke("twice", 21), list(itself.stream("count", 3)))
`;
      await writeFile(path, text);
      const env = {
        PYTHONPATH: join(root, "sdk/python"),
        DROVER_API: drover.addresses.api,
        DROVER_GATEWAY: drover.addresses.gateway,
      };
      expect(await run("python3", [path], { cwd: folder, env })).toMatchObject({ code: 0, stdout: "42 [0, 1, 2]\n" });
      const [before] = await drover.running("itself");
      expect(await drover.cli("run", path)).toMatchObject({ code: 0 });
      expect((await drover.running("itself")).map(({ pid }) => pid)).toEqual([before?.pid]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
