import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isFull } from "../../../src/core/traffic/pick.ts";
import { type ModelCandidate, pickForModel } from "../../../src/core/traffic/pick-for-model.ts";

const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const model = fc.constantFrom("a", "b", "c");
const candidates: fc.Arbitrary<readonly ModelCandidate[]> = fc.uniqueArray(
  fc.record({
    replicaId: fc.string({ minLength: 1, maxLength: 4 }),
    ongoing: fc.integer({ min: 0, max: 3 }),
    elsewhere: fc.integer({ min: 0, max: 6 }),
    resting: fc.boolean(),
    models: fc.subarray(["a", "b", "c"]).map((names) => new Set(names)),
    hasModelRoom: fc.boolean(),
    oldestModelUse: fc.integer({ min: 0, max: 3 }),
  }),
  { maxLength: 8, selector: ({ replicaId }) => replicaId },
);
const max = fc.integer({ min: 1, max: 3 });
const roomy = (replicaId: string): ModelCandidate => ({
  ...{ replicaId, ongoing: 0, elsewhere: 0, resting: false, models: new Set(), hasModelRoom: true, oldestModelUse: 0 },
});

describe("the pick for a model", () => {
  test("is a replica that is not full, exactly when there is one", () => {
    fc.assert(
      fc.property(candidates, max, model, draw, draw, (all, maxOngoing, name, draw1, draw2) => {
        const picked = pickForModel(all, maxOngoing, name, draw1, draw2);
        if (picked !== undefined) expect(isFull(picked, maxOngoing)).toBe(false);
        expect(picked !== undefined).toBe(all.some((one) => !isFull(one, maxOngoing)));
      }),
    );
  });

  test("prefers one that holds the model, and else one that unloads nothing for it", () => {
    fc.assert(
      fc.property(candidates, max, model, draw, draw, (all, maxOngoing, name, draw1, draw2) => {
        const picked = pickForModel(all, maxOngoing, name, draw1, draw2);
        const open = all.filter((one) => !isFull(one, maxOngoing));
        if (open.some(({ models }) => models.has(name))) expect(picked?.models.has(name)).toBe(true);
        else if (open.some(({ hasModelRoom }) => hasModelRoom)) expect(picked?.hasModelRoom).toBe(true);
        else for (const one of open) expect(one.oldestModelUse).toBeGreaterThanOrEqual(picked?.oldestModelUse ?? 0);
      }),
    );
  });

  test("is the same for a model nobody holds, whatever the draws and the order", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), model, draw, (ids, name, drawn) => {
        const all = ids.map(roomy);
        expect(pickForModel(all, 1, name, drawn, drawn)?.replicaId).toBe(pickForModel(all.toReversed(), 1, name, 0, 0)?.replicaId);
      }),
    );
  });

  test("moves few models when a replica comes, and all of those to it; and spreads them", () => {
    const ids = ["models-1-abcdef", "models-1-abcdeg", "models-1-zzzzzz", "models-2-abcdef"];
    const names = Array.from({ length: 2_000 }, (_, index) => `model-${index}`);
    const placed = (among: readonly string[]) => names.map((name) => pickForModel(among.map(roomy), 1, name, 0, 0)?.replicaId);
    const before = placed(ids.slice(0, 3));
    const after = placed(ids);
    const moved = after.filter((id, index) => id !== before[index]);
    expect(new Set(moved)).toEqual(new Set([ids[3]]));
    for (const id of ids) expect(after.filter((one) => one === id).length).toBeGreaterThan(names.length / ids.length / 2);
  });
});
