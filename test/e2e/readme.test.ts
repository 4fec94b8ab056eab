// Goal: what the README shows is so. Every `console` block is run in order by one shell, in a clone's folder, against a controller;
// each line it shows must come out, numbers and the random ends of ids aside.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Drover, root, run } from "./drover.ts";

const readme = readFileSync(join(root, "README.md"), "utf8");

interface Step {
  readonly command: string;
  readonly output: readonly string[];
}

function stepsOf(text: string): readonly Step[] {
  const blocks = [...text.matchAll(/^```console\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? "");
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = "", ...output] = part.trimEnd().split("\n");
        return { command, output };
      }),
  );
}

/** A line without what differs from run to run. */
const shape = (line: string) =>
  line
    .replace(/\b([a-z]+)-[a-z0-9]{5}\b/g, "$1-ID")
    .replace(/\S+@\S+/g, "USER")
    .replace(/\d+(\.\d+)?/g, "N")
    .replace(/\s+/g, " ")
    .trim();

let drover: Drover;
beforeAll(async () => {
  drover = await Drover.start();
});
afterAll(() => drover.close());

test("every command of the README does what it shows", { timeout: 240_000 }, async () => {
  const steps = stepsOf(readme);
  expect(steps.length).toBeGreaterThan(10);
  const mark = "-- end of step";
  const name = 'drover() { npm run -s drover -- "$@"; }';
  const { api, gateway } = drover.addresses;
  const script = [name, ...steps.map(({ command }) => `${command} || echo "exit $?"\necho "${mark}"`)]
    .join("\n")
    .replaceAll("127.0.0.1:9000", gateway)
    .replaceAll("127.0.0.1:9001", api);
  const { stdout, stderr } = await run("bash", [], { input: script, env: { DROVER_API: api, DROVER_GATEWAY: gateway, NO_COLOR: "1" } });
  const outputs = stdout.split(`${mark}\n`);
  for (const [index, { command, output }] of steps.entries()) {
    const printed = (outputs[index] ?? "").split("\n").map(shape);
    for (const line of output) expect(printed, `${command}\n${outputs[index]}\n${stderr}`).toContain(shape(line));
    expect(outputs[index], command).not.toMatch(/^exit \d+$/m);
  }
});

test("every file that the README links to is there", () => {
  const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1] ?? "");
  expect(links.length).toBeGreaterThan(3);
  for (const link of links) expect(() => readFileSync(join(root, link))).not.toThrow();
});
