// Measures everything, or the named parts:
//   npm run bench -- [requests] [start] [bundles] [memory] [many] [python] [compose] [tick] [plan]
//                    [rollout] [reconfigure] [autoscale] [load] [configs] [watch]
//                    [watch-run] [stall] [--quick] [--write]
//   --quick   short runs, to check that it works; the figures mean nothing
//   --write   writes the figures into bench/README.md: all of them, or those of the named parts
//   DROVER_TRACE=FILE  a trace of real requests for autoscale
//   DROVER_RAY_PYTHON=FILE  a python with the package ray[serve], for compose
import { fork } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { h2loadMissing } from "./h2load.ts";
import { describeMachine, watchOthers } from "./machine.ts";
import { markdownOf, type Section } from "./section.ts";

const benches = [
  "requests",
  "start",
  "bundles",
  "memory",
  "many",
  "python",
  "compose",
  "tick",
  "plan",
  "rollout",
  "reconfigure",
  "autoscale",
  "load",
  "configs",
  "watch",
  "watch-run",
  "stall",
];
const readme = join(import.meta.dirname, "README.md");
const [begin, end] = ["<!-- figures: written by `npm run bench -- --write` -->", "<!-- end of figures -->"];

const { names, quick, write } = readArguments();
const machine = describeMachine(["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "));
console.log(`${machine}\n`);
const sections: Section[] = [];
for (const name of names) {
  process.stderr.write(`measuring ${name} …\n`);
  const others = process.platform === "linux" ? watchOthers() : () => "";
  for (const section of await measure(name)) {
    const complete = { ...section, notes: [...section.notes, others()].filter((note) => note !== "") };
    sections.push(complete);
    console.log(markdownOf(complete));
  }
}
if (write) {
  writeFigures((before) =>
    names === benches ? [machine, ...sections.map(markdownOf)].join("\n\n") : sections.map(withMachine).reduce(replaced, before),
  );
}

function readArguments() {
  try {
    const options = { quick: { type: "boolean", default: false }, write: { type: "boolean", default: false } } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const unknown = positionals.filter((name) => !benches.includes(name));
    if (unknown.length > 0) fail(`there is no ${unknown.join(", ")}: there are ${benches.join(", ")}`, 2);
    if (values.write && values.quick) fail("--write is for a real run: without --quick", 2);
    const names = positionals.length > 0 ? positionals : benches;
    if (process.platform !== "linux" && names.some((name) => name === "requests" || name === "memory"))
      fail("requests and memory read /proc, which only Linux has: name the others", 1);
    const missing = names.includes("requests") ? h2loadMissing() : "";
    if (missing !== "") fail(missing, 1);
    return { names, ...values };
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error), 2);
  }
}

/** Measures in a separate process, so that heap and compiler are fresh. */
function measure(name: string): Promise<readonly Section[]> {
  const child = fork(join(import.meta.dirname, `${name}.ts`), quick ? ["--quick"] : [], { serialization: "advanced" });
  let found: readonly Section[] | undefined;
  child.on("message", (sections) => {
    found = sections as readonly Section[];
  });
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("exit", (code) => (code === 0 && found !== undefined ? done(found) : fail(`${name} could not be measured`, 1)));
  });
}

function writeFigures(figuresOf: (before: string) => string): void {
  const text = readFileSync(readme, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) fail(`${readme} has no section for the figures between "${begin}" and "${end}"`, 1);
  const figures = figuresOf(text.slice(from + begin.length, to));
  writeFileSync(readme, `${text.slice(0, from)}${begin}\n\n${figures.trim()}\n\n${text.slice(to)}`);
  console.log(`written to ${readme}`);
}

/** A section that was not measured with the others says when and where it was. */
function withMachine(section: Section): Section {
  const facts = machine.split("\n").map((line) => line.replace(/^- /, ""));
  return { ...section, notes: [...section.notes, `Measured by itself. ${facts.join(". ")}.`] };
}

/** The figures with this section in the place of the one of its title, or at the end. */
function replaced(figures: string, section: Section): string {
  const [first = "", ...others] = figures.split(/^(?=### )/m);
  const known = others.findIndex((text) => text.startsWith(`### ${section.title}\n`));
  const text = `${markdownOf(section)}\n`;
  return [first, ...(known < 0 ? [...others, text] : others.with(known, text))].join("").replace(/\n{3,}/g, "\n\n");
}

function fail(problem: string, exitCode: number): never {
  process.stderr.write(`bench: ${problem}\n`);
  process.exit(exitCode);
}
