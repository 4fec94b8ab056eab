import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { openFilesMax, readOpenFilesMax } from "../../src/controller/open-files.ts";

const limits = (soft: string) =>
  ["Limit                     Soft Limit           Hard Limit           Units", `Max open files            ${soft}  1048576  files`].join(
    "\n",
  );

test("the soft limit counts; what is not said is not guessed high", () => {
  expect(readOpenFilesMax(limits("256"))).toBe(256);
  expect(readOpenFilesMax(limits("unlimited"))).toBe(Number.MAX_SAFE_INTEGER);
  expect(readOpenFilesMax("")).toBe(1_024);
});

test("it is the limit of this process", async () => {
  if (process.platform !== "linux") return expect(await openFilesMax()).toBe(1_024);
  const asked = execFileSync("/bin/sh", ["-c", `grep '^Max open files' /proc/${process.pid}/limits`], { encoding: "utf8" });
  expect(await openFilesMax()).toBe(readOpenFilesMax(asked));
});
