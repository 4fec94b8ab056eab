import { expect, test } from "vitest";
import { programDigest } from "../../src/program/program-digest.ts";

const bytesOf = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text));

test("a program's digest changes with its files, with what they import by relative paths and with more, and with nothing else", () => {
  const files = new Map([
    ["/app/main.ts", 'import { near } from "./near.ts";\nimport fc from "fast-check";'],
    ["/app/near.ts", 'export * from "./lib/far.ts"; import("./missing.ts");'],
    ["/app/lib/far.ts", 'import "../main.ts"; export const near = 1;'],
    ["/app/other.ts", "1"],
  ]);
  const digest = (more = "", base = "/app") =>
    programDigest([`${base}/main.ts`], more, (path) => bytesOf(files.get(path.replace(base, "/app"))));
  const digests = [digest()];
  files.set("/app/other.ts", "2");
  expect(digest()).toBe(digests[0]);
  expect(digest("", "/elsewhere")).toBe(digests[0]);
  digests.push(digest("more"));
  files.set("/app/lib/far.ts", "export const near = 2;");
  digests.push(digest());
  files.set("/app/main.ts", "");
  digests.push(digest());
  expect(new Set(digests).size).toBe(4);
  expect(digests[0]).toMatch(/^[0-9a-f]{16}$/);
});
