// Writes the sentences of the conformance check into docs/replica-contract.md, between its two
// marks. The prose around them is written by hand.
//   node scripts/generate-contract.mjs [--out FILE]     --out: writes the whole document there instead
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sentences } from "../src/conformance/sentences.ts";

const document = join(import.meta.dirname, "../docs/replica-contract.md");
const begin = "<!-- sentences: written by scripts/generate-contract.mjs from src/conformance/sentences.ts -->\n";
const end = "<!-- end of sentences -->\n";

const { out = document } = parseArgs({ options: { out: { type: "string" } } }).values;
const text = readFileSync(document, "utf8");
const [before, rest, ...more] = text.split(begin);
const [, after, ...tooMany] = (rest ?? "").split(end);
if (before === undefined || after === undefined || more.length > 0 || tooMany.length > 0)
  throw new Error(`${document} must have the marks of the sentences once each`);
writeFileSync(out, `${before}${begin}\n${sectionsOf(sentences)}\n${end}${after}`);

/** One section for each subject, in the order of the check. */
function sectionsOf(all) {
  const subjects = [...new Set(all.map(({ subject }) => subject))];
  return subjects.map((subject) => `### ${subject}\n\n${tableOf(all.filter((sentence) => sentence.subject === subject))}`).join("\n");
}

function tableOf(rows) {
  const lines = rows.map(({ id, text: sentence, level }) => `| \`${id}\` | ${level} | ${sentence.replaceAll("|", "\\|")} |`);
  return `| id | level | sentence |\n|---|---|---|\n${lines.join("\n")}\n`;
}
