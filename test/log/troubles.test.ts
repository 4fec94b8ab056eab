import { expect, test } from "vitest";
import { Troubles } from "../../src/log/troubles.ts";

test("a trouble is logged once, again when its cause changes, and when it is over", () => {
  const lines: string[] = [];
  const line = (level: string) => (facts: unknown, message?: string) => void lines.push(`${level} ${message} ${JSON.stringify(facts)}`);
  const troubles = new Troubles({ warn: line("warn"), info: line("info") });
  const fail = (what: string, cause: string) => troubles.failed(what, new Error(cause), { what }, "failed");
  troubles.over("a", {}, "works");
  for (let n = 0; n < 3; n++) fail("a", "one");
  fail("b", "one");
  for (let n = 0; n < 3; n++) fail("a", "two");
  for (let n = 0; n < 3; n++) troubles.over("a", {}, "works");
  fail("a", "two");
  expect(lines).toEqual([
    'warn failed {"what":"a","cause":"Error: one"}',
    'warn failed {"what":"b","cause":"Error: one"}',
    'warn failed {"what":"a","cause":"Error: two"}',
    "info works {}",
    'warn failed {"what":"a","cause":"Error: two"}',
  ]);
});

test("no more than a bounded number of troubles is remembered", () => {
  let count = 0;
  const troubles = new Troubles({ warn: () => void count++, info: () => {} });
  for (let n = 0; n < 3_000; n++) troubles.failed(`thing ${n}`, "no", {}, "failed");
  troubles.failed("thing 2999", "no", {}, "failed");
  troubles.failed("thing 0", "no", {}, "failed");
  expect(count).toBe(3_001);
});
