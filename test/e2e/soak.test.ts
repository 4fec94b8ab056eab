// Goal: a controller uses no more after its work than before. Method: a short run of the soak;
// `npm run soak` is the long one.
import { join } from "node:path";
import { expect, test } from "vitest";
import { root, run } from "./drover.ts";

test.skipIf(process.platform !== "linux")(
  "a controller ends where it began (this needs the /proc of Linux)",
  { timeout: 300_000 },
  async () => {
    const { code, stdout, stderr } = await run(process.execPath, [join(root, "test/soak/run.ts"), "--minutes", "0.25", "--every", "5"]);
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
    const rows = stdout.split("\n").filter((line) => /^ +(?:began|ended|\d+ s)(?: +[\d.]+){8}$/.test(line));
    expect(rows.length, stdout).toBeGreaterThanOrEqual(3);
  },
);
