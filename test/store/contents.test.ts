import fc from "fast-check";
import { expect, test } from "vitest";
import { joined, split, splitInParts } from "../../src/store/contents.ts";

const field = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ minLength: 1_100, maxLength: 1_200 }), fc.nat());
const record = fc.record({ spec: fc.dictionary(fc.constantFrom("name", "userConfig", "labels", "env_vars"), field), n: fc.nat() });

test("what is split in parts is what is split at once, and joined again it is the whole", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { maxLength: 5 }), async (results) => {
      const whole = { answer: { results }, changes: [] };
      const parts = await splitInParts(whole, () => undefined);
      expect(parts).toEqual(split(whole));
      const contents = new Map(parts.contents.map(({ digest, value }) => [digest, value]));
      expect(joined(parts.json, parts.references, contents)).toEqual(whole);
    }),
    { numRuns: 50 },
  );
});

test("no more than one large value is digested between two waits", async () => {
  const results = Array.from({ length: 30 }, (_, index) => ({ spec: { labels: { text: `${index}`.repeat(2_000) } } }));
  let waits = 0;
  const { contents } = await splitInParts({ results }, () => {
    waits += 1;
    return Promise.resolve();
  });
  expect(contents).toHaveLength(30);
  expect(waits).toBe(30);
});
