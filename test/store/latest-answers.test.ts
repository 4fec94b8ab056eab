// The answers that a process keeps for a store that comes back empty.
import { expect, test } from "vitest";
import { split } from "../../src/store/contents.ts";
import { LatestAnswers } from "../../src/store/latest-answers.ts";

/** As the API prints it: each answer has values of its own. */
const answer = (config: string, label: number) => ({
  answer: { deployment: { spec: { user_config: { model: config }, labels: { n: String(label) } } } },
  changes: [],
});
const add = (kept: LatestAnswers, id: number, config: string) => {
  const made = answer(config, id);
  kept.add({ id: String(id), fingerprint: "f", answer: made, expiresAtMs: 1_000 }, split(made));
};
const large = "x".repeat(900_000);

test("a config is kept once, however many answers have it", () => {
  const kept = new LatestAnswers();
  for (let id = 0; id < 300; id++) add(kept, id, large);
  const answers = kept.at(0);
  expect(answers.map(({ answer }) => answer)).toEqual(answers.map((_, id) => answer(large, id)));
  expect(answers).toHaveLength(300);
  expect(kept.bytes).toBeLessThan(2 * large.length);
  const configs = answers.map(({ answer: kept }) => (kept as ReturnType<typeof answer>).answer.deployment.spec.user_config);
  expect(new Set(configs).size).toBe(1);
});

test("answers with other configs are bounded by bytes: the oldest go first, the last one stays", () => {
  const kept = new LatestAnswers(2 * large.length + 10_000);
  for (let id = 0; id < 10; id++) add(kept, id, `${id}${large}`);
  expect(kept.at(0).map(({ id }) => id)).toEqual(["8", "9"]);
  add(kept, 10, large.repeat(4));
  expect(kept.at(0).map(({ id }) => id)).toEqual(["10"]);
});

test("nothing is held for answers that have expired or were replaced", () => {
  const kept = new LatestAnswers();
  add(kept, 1, large);
  add(kept, 1, "small");
  expect(kept.bytes).toBeLessThan(10_000);
  expect(kept.at(1_000)).toEqual([]);
  expect(kept.bytes).toBe(0);
});
