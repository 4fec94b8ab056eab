// Goal: what the documents show is so. Every `console` block of a document is run in order by one shell, in a clone's folder, against
// a controller of the document's own; each line it shows must come out, numbers and the random ends of ids aside.
import { afterAll, expect, test } from "vitest";
import { allDocuments, type Step, stepsOf } from "../docs/documents.ts";
import { Drover, mainPath, run } from "./drover.ts";

const mark = "-- end of step";

/** A line without what differs from run to run. A slow machine shows an age of `1m2s` for `12s`. */
const shape = (line: string) =>
  line
    .replace(/\b([a-z]+)-[a-z0-9]{5}\b/g, "$1-ID")
    .replace(/\S+@\S+/g, "USER")
    .replace(/\b[0-9a-f]{12}\b/g, "DIGEST")
    .replace(/\b\d+(\.\d+)?(ms|[dhms])(\d+[dhms])?\b/g, "AGE")
    .replace(/\d+(\.\d+)?/g, "N")
    .replace(/\s+/g, " ")
    .trim();

/** The steps as one script, against this controller instead of the default addresses and data folder. */
function scriptOf(steps: readonly Step[], { addresses, dataDir }: Drover): string {
  // Until the document defines its own, which the README does.
  const drover = `drover() { ${JSON.stringify(process.execPath)} ${JSON.stringify(mainPath)} "$@"; }`;
  return [drover, ...steps.map(({ command }) => `${command} || echo "exit $?"\necho "${mark}"`)]
    .join("\n")
    .replaceAll("127.0.0.1:9000", addresses.gateway)
    .replaceAll("127.0.0.1:9001", addresses.api)
    .replaceAll("127.0.0.1:9002", addresses.http)
    .replaceAll(".drover/", `${dataDir}/`);
}

const shown = allDocuments()
  .map(({ path, text }) => ({ path, steps: stepsOf(text) }))
  .filter(({ steps }) => steps.length > 0);
const controllers: Drover[] = [];
afterAll(() => Promise.all(controllers.map((drover) => drover.close())));

test("the documents show commands", () => {
  expect(shown.map(({ path }) => path)).toEqual(expect.arrayContaining(["README.md", "docs/guide.md", "docs/operating.md"]));
  for (const { steps } of shown) expect(steps.some(({ output }) => output.length > 0)).toBe(true);
});

// Side by side: most of the time each waits for replicas.
test.concurrent.each(shown)("every command of $path does what it shows", { timeout: 240_000 }, async ({ steps }) => {
  const drover = await Drover.start();
  controllers.push(drover);
  const { api, gateway } = drover.addresses;
  const { stdout, stderr } = await run("bash", [], {
    input: scriptOf(steps, drover),
    env: { DROVER_API: api, DROVER_GATEWAY: gateway, NO_COLOR: "1" },
  });
  const outputs = stdout.split(`${mark}\n`);
  for (const [index, { command, output }] of steps.entries()) {
    const printed = (outputs[index] ?? "").split("\n").map(shape);
    for (const line of output) expect(printed, `${command}\n${outputs[index]}\n${stderr}`).toContain(shape(line));
    expect(outputs[index], command).not.toMatch(/^exit \d+$/m);
  }
});
