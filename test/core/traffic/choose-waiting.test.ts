import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseWaiting, lookMax, passedMax } from "../../../src/core/traffic/choose-waiting.ts";

const names = ["a", "b", "c"];
const request = fc.record({ model: fc.option(fc.constantFrom(...names), { nil: undefined }), passed: fc.integer({ min: 0, max: 40 }) });
const sets = fc.record({ here: fc.subarray(names), elsewhere: fc.subarray(names) });
const placeOf = ({ here, elsewhere }: { here: readonly string[]; elsewhere: readonly string[] }) => ({
  holds: (model: string) => here.includes(model),
  heldSomewhere: (model: string) => here.includes(model) || elsewhere.includes(model),
});

test("a place with room never stays idle while a request waits", () => {
  fc.assert(
    fc.property(fc.array(request), sets, (all, held) => {
      expect(chooseWaiting(all, placeOf(held)) !== undefined).toBe(all.length > 0);
    }),
  );
});

test("without models, it is first in, first out", () => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 1 }), sets, (all, held) => {
      const plain = all.map(({ passed }) => ({ model: undefined, passed }));
      expect(chooseWaiting(plain, placeOf(held))).toBe(plain[0]);
    }),
  );
});

test("a later request is served first only if the model of the first one is at another replica, and its own is not", () => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 60 }), sets, (all, held) => {
      const place = placeOf(held);
      const chosen = chooseWaiting(all, place);
      const [first] = all;
      if (chosen === first || first?.model === undefined || chosen === undefined) return;
      expect(place.holds(first.model)).toBe(false);
      expect(held.elsewhere).toContain(first.model);
      expect(first.passed).toBeLessThan(passedMax);
      expect(chosen.model === undefined || place.holds(chosen.model) || !place.heldSomewhere(chosen.model)).toBe(true);
      expect(all.indexOf(chosen)).toBeLessThan(lookMax);
    }),
  );
});

test("the first request that was passed often enough is served, wherever its model is", () => {
  const all = [
    { model: "b", passed: passedMax },
    { model: "a", passed: 0 },
  ];
  expect(chooseWaiting(all, placeOf({ here: ["a"], elsewhere: ["b"] }))).toBe(all[0]);
});
