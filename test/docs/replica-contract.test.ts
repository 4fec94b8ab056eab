// docs/replica-contract.md has the sentences of the conformance check: a change of one without the other fails here.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { sentences } from "../../src/conformance/sentences.ts";
import { root } from "./documents.ts";

test("generating the contract again changes nothing, and it has every sentence", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drover-contract-"));
  try {
    const out = join(folder, "replica-contract.md");
    await promisify(execFile)(process.execPath, ["scripts/generate-contract.mjs", "--out", out], { cwd: root });
    const [committed, generated] = await Promise.all([readFile(join(root, "docs/replica-contract.md"), "utf8"), readFile(out, "utf8")]);
    expect(committed).toBe(generated);
    for (const { id, level, text } of sentences) expect(committed).toContain(`| \`${id}\` | ${level} | ${text} |`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
