// Programs that call programs, each in TypeScript and in Python, deployed and called as a user would.
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pythonToolchain, toolchainsRequired } from "../sdk/python-toolchain.ts";
import { Drover, fixturePath, root, until } from "./drover.ts";

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
  const deploy = async (example: string) => {
    const { code, stdout, stderr } = await drover.cli("run", join(root, "examples/compose", file(example)));
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const gone = async (...args: readonly string[]) => {
    const { code, stderr } = await drover.cli("delete", ...args);
    expect(code, stderr).toBe(0);
  };

  test.skipIf(skipped)("a chain is one application, and its first program calls the second", async () => {
    const shown = await deploy("chain");
    for (const name of ["summarizer", "translator"]) expect(shown).toContain(name);
    expect(await drover.invoke("summarizer", "summarize", "Oui. Le chat dort. Il pleut.")).toBe("the cat sleeps");
    await gone("--app", "summarizer");
  });

  test.skipIf(skipped)("a fan-out asks all at the same time, and has all answers in order", async () => {
    await deploy("fan-out");
    expect(await drover.invoke("panel", "ask", "Why?")).toEqual(["Ada thinks about: Why?", "Grace thinks about: Why?"]);
    await gone("--app", "panel");
  });

  test.skipIf(skipped)("a router sends each request to its program, and says what it does not know", async () => {
    await deploy("router");
    expect(await drover.invoke("router", "size", { shape: "square", side: 3 })).toBe(9);
    expect(await drover.invoke("router", "size", { shape: "circle", radius: 1 })).toBeCloseTo(Math.PI);
    await expect(drover.invoke("router", "size", { shape: "line" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await gone("--app", "router");
  });

  test.skipIf(skipped)("a stream of one program becomes a stream of another", async () => {
    await deploy("streams");
    const { code, stdout, stderr } = await drover.cli("invoke", "shouter", "shout", '"to be or not"', "--stream");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe('"TO"\n"BE"\n"OR"\n"NOT"\n');
    await gone("--app", "shouter");
  });

  test.skipIf(skipped)("requests that come together are worked on together, and each gets its own answer", async () => {
    await deploy("batching");
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => drover.invoke("squarer", "square", n)));
    expect(answers).toEqual(Array.from({ length: 8 }, (_, n) => expect.objectContaining({ square: n * n })));
    expect(answers.some((answer) => (answer as { of: number }).of > 1)).toBe(true);
    await gone("squarer");
  });

  test.skipIf(skipped)("requests for a model go to the replica that holds it", async () => {
    await deploy("models");
    const replicas = new Map<string, Set<string>>();
    for (const model of ["fr", "de", "fr", "de", "fr", "de"]) {
      const answer = await drover.invoke("greeter", "greet", "Ada", { metadata: { "drover-model": model } });
      const { text, replica } = answer as { text: string; replica: string };
      expect(text).toBe(model === "fr" ? "Bonjour, Ada!" : "Guten Tag, Ada!");
      replicas.set(model, (replicas.get(model) ?? new Set()).add(replica));
    }
    for (const held of replicas.values()) expect(held.size).toBe(1);
    await gone("greeter");
  });
});

test.skipIf(withoutPython)("when the first caller of a chain leaves, every hop ends", async () => {
  for (const file of ["hops/first.ts", "hops/second.py", "hops/third.ts"]) {
    const { code, stderr } = await drover.cli("run", fixturePath(file));
    expect(code, stderr).toBe(0);
  }
  const names = ["first", "second", "third"];
  const ongoing = async () => {
    const counts = await Promise.all(names.map(async (name) => Number((await drover.running(name))[0]?.ongoingRequests)));
    return counts.join(" ");
  };
  const caller = new AbortController();
  const call = drover.invoke("first", "wait", null, { signal: caller.signal });
  await until("the request is at all three hops", async () => (await ongoing()) === "1 1 1");
  caller.abort();
  await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
  await until("all three hops have ended it", async () => (await ongoing()) === "0 0 0");
  expect(await drover.invoke("third", "left", null)).toBe(1);
  // The same by a deadline, which each hop knows.
  await expect(drover.invoke("first", "wait", null, { deadlineMs: 500 })).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await until("all three hops have ended that too", async () => (await ongoing()) === "0 0 0");
  // An error of the last hop names it.
  await expect(drover.invoke("first", "fail", null)).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "CALLEE_FAILED",
    message: expect.stringContaining("second"),
  });
});
