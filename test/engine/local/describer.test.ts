import { mkdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { Describer, moduleDescriber, pythonDescriber } from "../../../src/engine/local/describer.ts";
import { temporaryFolder } from "../../replica/harness.ts";
import { python, pythonTest, sdk } from "../../sdk/python-harness.ts";

const never = new AbortController().signal;
const source = (path: string) => join(import.meta.dirname, "../../../src/replica", path);

function describerIn(folder: string): Describer {
  const describer = moduleDescriber(source("describe.ts"), folder, process.env);
  onTestFinished(() => describer.close());
  return describer;
}

/** What a file deploys, by name and number of replicas. */
async function specIn(describer: Describer, file: string) {
  const answer = await describer.describe([file, "", ""], never);
  if ("failure" in answer) return answer;
  const { parts, deployments } = JSON.parse(answer.stdout);
  const { name, num_replicas, numReplicas } = (parts ?? deployments)[0].spec;
  return { name, replicas: num_replicas ?? numReplicas };
}

test("a module is described as its files are at that moment, though the process was started before", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "app.mjs");
  const index = JSON.stringify(pathToFileURL(source("index.ts")).href);
  await writeFile(
    file,
    `import { deployment } from ${index}; import { n } from "./n.mjs"; export const a = deployment(class {}, { name: "a", numReplicas: n });`,
  );
  await writeFile(join(folder, "n.mjs"), "export const n = 2;");
  const describer = describerIn(folder);
  expect(await specIn(describer, file)).toEqual({ name: "a", replicas: 2 });
  describer.prepare();
  await writeFile(join(folder, "n.mjs"), "export const n = 3;");
  expect(await specIn(describer, file)).toEqual({ name: "a", replicas: 3 });
});

test("a file is described in the working folder that is there now, though the process was started in one that is gone", async () => {
  const folder = join(await temporaryFolder(), "app");
  const describer = describerIn(folder);
  const write = async () => {
    await mkdir(folder);
    const index = JSON.stringify(pathToFileURL(source("index.ts")).href);
    const text = `import { deployment } from ${index}; import { readFileSync } from "node:fs"; export const a = deployment(class {}, { name: readFileSync("name.txt", "utf8") });`;
    await writeFile(join(folder, "app.mjs"), text);
    await writeFile(join(folder, "name.txt"), "a");
  };
  await write();
  describer.prepare();
  await rm(folder, { recursive: true });
  expect(await describer.describe([join(folder, "app.mjs"), "", ""], never)).toMatchObject({ failure: expect.stringContaining(folder) });
  describer.prepare();
  await write();
  expect(await specIn(describer, join(folder, "app.mjs"))).toMatchObject({ name: "a" });
});

test("why a module cannot be imported is said with its place, and without what is Node's or ours", async () => {
  const folder = await temporaryFolder();
  const describer = describerIn(folder);
  const failureOf = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return (await specIn(describer, join(folder, name))) as { readonly failure: string; readonly missesModule: boolean };
  };
  const mistakes = {
    "syntax.ts": "\nexport const a = ;",
    "throws.ts": "\nconst f = () => { throw new Error('no'); };\nf();",
    "itself.ts": "\nimport { b } from './itself.ts';\nexport const a = b;",
  };
  const explained = Object.entries(mistakes).map(async ([name, text]) => {
    const { failure, missesModule } = await failureOf(name, text);
    expect(failure).toContain(`${join(folder, name)}:2`);
    expect(failure).not.toMatch(/node:|describe\.ts|Node\.js/);
    expect(missesModule).toBe(false);
  });
  const [missing, nothing, ended] = await Promise.all([
    failureOf("missing.ts", "import 'a-package-that-nobody-has';"),
    failureOf("nothing.ts", "export const one = 1;"),
    failureOf("ends.ts", "process.exit(0);"),
    ...explained,
  ]);
  expect(missing).toMatchObject({ missesModule: true });
  expect(nothing).toMatchObject({ failure: expect.stringContaining("one"), missesModule: false });
  expect(ended).toMatchObject({ failure: expect.stringContaining("exit code 0") });
});

test("a description that is no longer wanted ends with its process", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "app.mjs"), `setInterval(() => {}, 1000); await new Promise(() => {});`);
  const over = new AbortController();
  const described = describerIn(folder).describe([join(folder, "app.mjs"), "", ""], over.signal);
  over.abort();
  await expect(described).rejects.toMatchObject({ name: "AbortError" });
});

test("a program that is missing is named", async () => {
  const describer = new Describer({ argv: ["no-such-python"], env: {}, answerDescriptor: 1 }, await temporaryFolder());
  expect(await describer.describe(["a.py", "", ""], never)).toMatchObject({ failure: expect.stringContaining("no-such-python") });
});

test("a module needs no copy of this package of its own", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "app.ts"), 'import { deployment } from "drover"; export default deployment(class {}, { name: "a" });');
  expect(await specIn(describerIn(folder), join(folder, "app.ts"))).toMatchObject({ name: "a" });
});

pythonTest("a Python file is described from its source, also where a compiled file looks as old and as large", async () => {
  const folder = await temporaryFolder();
  const [file, helper] = [join(folder, "app.py"), join(folder, "helper.py")];
  await writeFile(file, "import drover, helper\n@drover.deployment(num_replicas=helper.N)\nclass A: pass\n");
  const path = `${join(python(), "..")}:${process.env.PATH}`;
  const describer = pythonDescriber(sdk, folder, { ...process.env, PATH: path });
  onTestFinished(() => describer.close());
  for (const n of [2, 3]) {
    await writeFile(helper, `N = ${n}\n`);
    await utimes(helper, 1_700_000_000, 1_700_000_000);
    expect(await specIn(describer, file)).toEqual({ name: "a", replicas: n });
    describer.prepare();
  }
});
