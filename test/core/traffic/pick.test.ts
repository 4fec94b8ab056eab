import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Candidate, isFull, pick } from "../../../src/core/traffic/pick.ts";

const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const candidate: fc.Arbitrary<Candidate> = fc.record({
  ongoing: fc.integer({ min: 0, max: 4 }),
  elsewhere: fc.integer({ min: 0, max: 6 }),
  resting: fc.boolean(),
});
const candidates = fc.array(candidate, { maxLength: 8 });
const max = fc.integer({ min: 1, max: 4 });
const load = (of: Candidate) => of.ongoing + of.elsewhere;

describe("pick", () => {
  test("a full or resting replica is never picked", () => {
    fc.assert(
      fc.property(candidates, max, draw, draw, (all, maxOngoing, draw1, draw2) => {
        const picked = pick(all, maxOngoing, draw1, draw2);
        if (picked !== undefined) expect(picked.resting || picked.ongoing >= maxOngoing).toBe(false);
      }),
    );
  });

  test("some replica is picked exactly when one is not full", () => {
    fc.assert(
      fc.property(candidates, max, draw, draw, (all, maxOngoing, draw1, draw2) => {
        const free = all.some((one) => !isFull(one, maxOngoing));
        expect(pick(all, maxOngoing, draw1, draw2) !== undefined).toBe(free);
      }),
    );
  });

  test("of two that are not full the less loaded is picked, whatever the draws", () => {
    fc.assert(
      fc.property(candidate, candidate, draw, draw, (a, b, draw1, draw2) => {
        const pair = [
          { ...a, resting: false },
          { ...b, resting: false },
        ];
        const picked = pick(pair, 5, draw1, draw2);
        expect(picked && load(picked)).toBe(Math.min(...pair.map(load)));
      }),
    );
  });

  test("the most loaded of three or more is never picked while all are free", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 9 }), draw, draw, (count, draw1, draw2) => {
        const all = Array.from({ length: count }, (_, index) => ({ ongoing: index, elsewhere: 0, resting: false }));
        expect(pick(all, 100, draw1, draw2)?.ongoing).toBeLessThan(count - 1);
      }),
    );
  });

  test("every replica is picked by some draw when all are equal", () => {
    const all = Array.from({ length: 7 }, () => ({ ongoing: 0, elsewhere: 0, resting: false }));
    const picked = new Set(Array.from({ length: 70 }, (_, index) => pick(all, 1, index / 70, 0)));
    expect(picked.size).toBe(7);
  });

  test("a stale high report fills no replica: it only makes the other of two preferred", () => {
    const stale = { ongoing: 0, elsewhere: 5, resting: false };
    expect(pick([stale], 5, 0, 0)).toBe(stale);
    const fresh = { ongoing: 4, elsewhere: 0, resting: false };
    expect(pick([stale, fresh], 5, 0, 0)).toBe(fresh);
  });
});
