// A program is deployed from a machine that shares no disk with the controller's, goes back, and is
// followed, in TypeScript and in Python; and what the command line says is true on that machine.
import { delimiter, dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { python, pythonMissing } from "../sdk/python-harness.ts";
import type { Drover, Finished } from "./drover.ts";
import { cannotRun, OtherMachine, separation, startApart } from "./other-machine.ts";

const apart = separation();
if ("missing" in apart) console.warn(`tests of a client on another machine are skipped: ${apart.missing}`);

/** Why Python is left out; undefined: it is not. */
const withoutPython = pythonMissing ?? ("missing" in apart ? apart.missing : cannotRun(apart.kind, python()));
if (withoutPython !== undefined) console.warn(`a program in Python from another machine is skipped: ${withoutPython}`);

let drover: Drover;
let machine: OtherMachine;
let env: Readonly<Record<string, string>>;
/** All that the command line has said. */
const said: Finished[] = [];

const typescript = (greeting: string) => ({
  "package.json": JSON.stringify({ private: true, type: "module", dependencies: { "is-number": "7.0.0" } }),
  "package-lock.json": JSON.stringify({
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": { dependencies: { "is-number": "7.0.0" } },
      "node_modules/is-number": {
        version: "7.0.0",
        integrity: "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==",
      },
    },
  }),
  "src/greeting.ts": `export const greeting: string = ${JSON.stringify(greeting)};\n`,
  "src/app.ts": `import { deployment } from "drover";
import { greeting } from "./greeting.ts";

class Greeter {
  #isNumber: (value: unknown) => boolean;
  constructor(isNumber: (value: unknown) => boolean) {
    this.#isNumber = isNumber;
    console.log("constructed with", greeting);
  }
  static async create() {
    const name: string = "is-number"; // only replicas have it
    return new Greeter((await import(name)).default);
  }
  greet(name: string) {
    return { text: \`\${greeting}, \${name}!\`, isNumber: this.#isNumber("7") };
  }
}

export default deployment(Greeter, { resources: { numCpus: 0.01 }, rollout: { maxStartFailures: 1 } });
`,
});

const inPython = (greeting: string) => ({
  "requirements.txt": "six==1.16.0 --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254\n",
  "greeting.py": `GREETING = ${JSON.stringify(greeting)}\n`,
  "app.py": `import drover
from greeting import GREETING


@drover.deployment(resources={"num_cpus": 0.01}, rollout={"max_start_failures": 1})
class Greeter:
    def __init__(self):
        import six  # only replicas have it

        self.version = six.__version__
        print("constructed with", GREETING, flush=True)

    def greet(self, name):
        return {"text": f"{GREETING}, {name}!", "six": self.version}
`,
});

interface Program {
  readonly language: string;
  readonly folder: string;
  readonly module: string;
  readonly files: (greeting: string) => Readonly<Record<string, string>>;
  /** The file with the greeting, and what makes it fail in a replica alone. */
  readonly greetingFile: string;
  readonly broken: string;
  readonly answer: (text: string) => unknown;
  readonly skipped: boolean;
}

const languages: readonly Program[] = [
  {
    language: "TypeScript",
    folder: "project-ts",
    module: "src/app.ts",
    files: typescript,
    greetingFile: "src/greeting.ts",
    broken: 'if ("DROVER_REPLICA_ID" in process.env) throw new Error("broken on import");\nexport const greeting = "";\n',
    answer: (text) => ({ text, isNumber: true }),
    skipped: false,
  },
  {
    language: "Python",
    folder: "project-py",
    module: "app.py",
    files: inPython,
    greetingFile: "greeting.py",
    broken: 'import os\nif "DROVER_REPLICA_ID" in os.environ:\n    raise ValueError("broken on import")\nGREETING = ""\n',
    answer: (text) => ({ text, six: "1.16.0" }),
    skipped: withoutPython !== undefined,
  },
];

async function deployFollowGoBack({ folder, module, files, greetingFile, broken, answer }: Program): Promise<void> {
  const cli = async (until: string | undefined, ...args: readonly string[]) => {
    const outcome = await machine.drover({ folder, env, until }, ...args);
    said.push(outcome);
    return outcome;
  };
  const succeeds = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await cli(undefined, ...args);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const write = (content: Readonly<Record<string, string>>) =>
    machine.write(Object.fromEntries(Object.entries(content).map(([path, text]) => [`${folder}/${path}`, text])));
  const greets = async (text: string) =>
    expect(JSON.parse(await succeeds("invoke", "greeter", "greet", '"Ada"'))).toEqual(answer(`${text}, Ada!`));

  await write(files("Hello"));
  await succeeds("run", module);
  await greets("Hello");
  await write({ [greetingFile]: files("Good morning")[greetingFile] ?? "" });
  await succeeds("run", module);
  await greets("Good morning");

  // What does not start leaves the good revision, and is explained.
  await write({ [greetingFile]: broken });
  expect(await cli(undefined, "run", module)).toMatchObject({ code: 1, stderr: expect.stringContaining("broken on import") });
  await greets("Good morning");

  await succeeds("rollback", "greeter", "--to", "1");
  await greets("Hello");
  expect((await cli("constructed with Hello", "logs", "greeter", "--follow")).stdout).toContain("constructed with Hello");

  // The folder is not needed any more.
  await machine.remove(folder);
  await write({ "other.txt": "" });
  await succeeds("scale", "greeter", "2");
  expect(await drover.running("greeter")).toHaveLength(2);
  await greets("Hello");
  await succeeds("delete", "greeter");
}

describe.skipIf("missing" in apart)("from another machine", () => {
  beforeAll(async () => {
    if ("missing" in apart) return;
    // `drover run app.py` and the replicas take the `python3` of the PATH.
    if (withoutPython === undefined) process.env.PATH = `${dirname(python())}${delimiter}${process.env.PATH}`;
    [drover, machine] = await Promise.all([startApart(apart.kind), OtherMachine.start(apart.kind)]);
    const { api, gateway } = drover.addresses;
    env = { DROVER_API: await machine.cable(api), DROVER_GATEWAY: await machine.cable(gateway) };
  });
  afterAll(async () => {
    await machine?.close();
    await drover?.close();
  });

  for (const program of languages) {
    const title = `a program in ${program.language} with packages is deployed, goes back and is followed`;
    test.skipIf(program.skipped)(title, () => deployFollowGoBack(program));
  }

  test("no message names a path of the controller's machine", () => {
    expect(said.length).toBeGreaterThan(5);
    for (const { stdout, stderr } of said) expect(`${stdout}${stderr}`).not.toContain(drover.dataDir);
  });
});
