// Programs that call programs, each in TypeScript and in Python, deployed and called as a user would.
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pythonToolchain, toolchainsRequired } from "../sdk/python-toolchain.ts";
import { Drover, root } from "./drover.ts";

const toolchain = await pythonToolchain();
const missing = "missing" in toolchain ? toolchain.missing : undefined;
const withoutPython = missing !== undefined && !toolchainsRequired;
if (withoutPython) console.warn(`programs in Python that call programs are skipped: ${missing}`);

let drover: Drover;
beforeAll(async () => {
  // `drover run app.py` and its replicas take the `python3` of the PATH.
  if ("python" in toolchain) process.env.PATH = `${dirname(toolchain.python)}:${process.env.PATH}`;
  drover = await Drover.start();
});
afterAll(() => drover.close());

const languages = [
  { language: "TypeScript", file: (name: string) => `${name}.ts`, skipped: false },
  { language: "Python", file: (name: string) => `${name.replaceAll("-", "_")}.py`, skipped: withoutPython },
];

describe.each(languages)("in $language", ({ file, skipped }) => {
  const deployed = new Map<string, string>();
  beforeAll(async () => {
    if (skipped) return;
    const deploy = async (example: string) => {
      const { code, stdout, stderr } = await drover.cli("run", join(root, "examples/compose", file(example)));
      expect(code, stderr).toBe(0);
      deployed.set(example, stdout);
    };
    await Promise.all(["chain", "fan-out", "router", "streams", "batching", "models"].map(deploy));
  });
  afterAll(async () => {
    if (!skipped) expect(await drover.cli("delete", "--all")).toMatchObject({ code: 0 });
  });

  test.skipIf(skipped)("a chain is one application, and its first program calls the second", async () => {
    for (const name of ["summarizer", "translator"]) expect(deployed.get("chain")).toContain(name);
    expect(await drover.invoke("summarizer", "summarize", "Oui. Le chat dort. Il pleut.")).toBe("the cat sleeps");
  });

  test.skipIf(skipped)("a fan-out asks all at the same time, and has all answers in order", async () => {
    expect(await drover.invoke("panel", "ask", "Why?")).toEqual(["Ada thinks about: Why?", "Grace thinks about: Why?"]);
  });

  test.skipIf(skipped)("a router sends each request to its program, and says what it does not know", async () => {
    expect(await drover.invoke("router", "size", { shape: "square", side: 3 })).toBe(9);
    expect(await drover.invoke("router", "size", { shape: "circle", radius: 1 })).toBeCloseTo(Math.PI);
    await expect(drover.invoke("router", "size", { shape: "line" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test.skipIf(skipped)("a stream of one program becomes a stream of another", async () => {
    const { code, stdout, stderr } = await drover.cli("invoke", "shouter", "shout", '"to be or not"', "--stream");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe('"TO"\n"BE"\n"OR"\n"NOT"\n');
  });

  test.skipIf(skipped)("requests that come together are worked on together, and each gets its own answer", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => drover.invoke("squarer", "square", n)));
    expect(answers).toEqual(Array.from({ length: 8 }, (_, n) => expect.objectContaining({ square: n * n })));
    expect(answers.some((answer) => (answer as { of: number }).of > 1)).toBe(true);
  });

  test.skipIf(skipped)("requests for a model go to the replica that holds it", async () => {
    const replicas = new Map<string, Set<string>>();
    for (const model of ["fr", "de", "fr", "de", "fr", "de"]) {
      const answer = await drover.invoke("greeter", "greet", "Ada", { metadata: { "drover-model": model } });
      const { text, replica } = answer as { text: string; replica: string };
      expect(text).toBe(model === "fr" ? "Bonjour, Ada!" : "Guten Tag, Ada!");
      replicas.set(model, (replicas.get(model) ?? new Set()).add(replica));
    }
    for (const held of replicas.values()) expect(held.size).toBe(1);
  });
});
