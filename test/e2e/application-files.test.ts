// A file with several deployments is one application, whose parts call each other: in TypeScript and in Python, run, built as YAML,
// and changed.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { pythonToolchain, toolchainsRequired } from "../sdk/python-toolchain.ts";
import { Drover, mainPath, root, run } from "./drover.ts";

const toolchain = await pythonToolchain();
const missing = "missing" in toolchain ? toolchain.missing : undefined;
if (missing !== undefined && !toolchainsRequired) console.warn(`applications in Python are skipped: ${missing}`);

const sdk = JSON.stringify(join(root, "src/replica/index.ts"));
const options = "{ resources: { numCpus: 0.01 } }";
const typescript = {
  "words.ts": `import { deployment } from ${sdk};
export const Words = deployment(class Words {
  text = "";
  constructor({ text }: { text: string }) { this.text = text; }
  say() { return this.text; }
}, ${options});`,
  "app.ts": `import { deployment, type Handle } from ${sdk};
import { Words } from "./words.ts";
type Says = Handle<{ say(): string }>;
const Root = deployment(class Root {
  size = 0;
  words: readonly Says[] = [];
  constructor({ size, words }: { size: number; words: readonly Says[] }) { Object.assign(this, { size, words }); }
  async say() { return [this.size, ...(await Promise.all(this.words.map((word) => word.say())))]; }
}, ${options});
export const build = ({ size = 1, last = true }) =>
  Root.bind({ size, words: [Words.bind({ text: "first" }), ...(last ? [Words.bind({ text: "last" })] : [])] });
export const app = build({});`,
};
const python = {
  "words.py": `import drover
@drover.deployment(resources={"num_cpus": 0.01})
class Words:
    def __init__(self, text): self.text = text
    def say(self): return self.text
`,
  "app.py": `import drover, words
@drover.deployment(resources={"num_cpus": 0.01})
class Root:
    def __init__(self, words, *, size): self.size, self.words = size, words
    async def say(self): return [self.size, *[await word.say() for word in self.words]]
def build(size=1, last=True):
    more = [words.Words.bind("last")] if last else []
    return Root.bind([words.Words.bind(text="first"), *more], size=size)
app = build()
`,
};

let drover: Drover;
let folder = "";
beforeAll(async () => {
  // Replicas take the `python3` of the PATH.
  if ("python" in toolchain) process.env.PATH = `${dirname(toolchain.python)}:${process.env.PATH}`;
  folder = await mkdtemp(join(tmpdir(), "drover-app-"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  for (const [path, text] of Object.entries({ ...typescript, ...python })) await writeFile(join(folder, path), text);
  drover = await Drover.start();
});
afterAll(async () => {
  await drover?.close();
  await rm(folder, { recursive: true, force: true });
});

const cli = (...args: readonly string[]) =>
  run(process.execPath, [mainPath, ...args], { cwd: folder, env: { DROVER_API: drover.addresses.api, NO_COLOR: "1" } });

async function specs() {
  const { deployments } = await drover.controller.listDeployments({});
  return deployments.map(({ spec, status }) => ({
    spec: spec && toJson(DeploymentSpecSchema, spec),
    generation: status?.generation,
    name: spec?.name ?? "",
  }));
}

for (const [language, file] of [
  ["TypeScript", "app.ts"],
  ["Python", "app.py"],
] as const) {
  test.skipIf(language === "Python" && missing !== undefined && !toolchainsRequired)(
    `an application in ${language}`,
    async () => {
      const ran = await cli("run", file);
      expect(ran.code, ran.stderr).toBe(0);
      expect(ran.stdout).toContain("application root\nroot\n├─ words\n└─ words-2\n");
      expect(await drover.invoke("root", "say", null)).toEqual([1, "first", "last"]);
      const before = await specs();
      expect(before.map(({ spec }) => (spec as { application?: string }).application)).toEqual(["root", "root", "root"]);
      expect(before[0]?.spec).toMatchObject({ initArgs: { size: 1, words: [{ $deployment: "words" }, { $deployment: "words-2" }] } });

      // The same again, and as the YAML that it stands for: nothing changes.
      expect(await cli("run", file)).toMatchObject({ code: 0 });
      const built = await cli("build", file);
      expect(built.code, built.stderr).toBe(0);
      await writeFile(join(folder, "app.yaml"), built.stdout);
      expect(await cli("deploy", "app.yaml")).toMatchObject({ code: 0, stderr: expect.not.stringContaining("do not count") });
      expect(await specs()).toEqual(before);
      await rm(join(folder, "app.yaml")); // it is a file of the folder for `run`

      // With other arguments: one deployment is changed, and one is gone.
      const changed = await cli("run", `${file}:build`, "size=2", "last=false");
      expect(changed.code, changed.stderr).toBe(0);
      const after = await specs();
      expect(after.map(({ name }) => name)).toEqual(["root", "words"]);
      expect(await drover.invoke("root", "say", null)).toEqual([2, "first"]);
      expect(await cli("delete", "root", "words")).toMatchObject({ code: 0 });
    },
    60_000,
  );
}
