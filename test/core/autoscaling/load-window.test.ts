// The window against a naive reference that keeps every value: the same where few values come, off by at most a 60th of the span where many do.
import fc from "fast-check";
import { expect, test } from "vitest";
import { aggregate, emptyWindow, knownSinceMs, type LoadWindow, piecesMax, push } from "../../../src/core/autoscaling/load-window.ts";

/** A value and for how long it held. */
interface Held {
  readonly value: number;
  readonly ms: number;
}

const startMs = 1_000_000;
const value = fc.integer({ min: 0, max: 1_000 });
const heldFor = (ms: fc.Arbitrary<number>, maxLength: number) => fc.array(fc.record({ value, ms }), { minLength: 1, maxLength });

/** The window after all of it, with the last value pushed and held. */
function windowOf(spanMs: number, held: readonly Held[]): { readonly window: LoadWindow; readonly nowMs: number } {
  let [window, nowMs] = [emptyWindow(spanMs, 0, startMs), startMs];
  for (const { value, ms } of held) {
    window = push(window, value, nowMs);
    nowMs += ms;
  }
  return { window, nowMs };
}

/** Mean, highest and lowest of what held within the last `spanMs`. */
function naive(spanMs: number, held: readonly Held[]): { readonly mean: number; readonly max: number; readonly min: number } {
  let [left, sum, ms] = [spanMs, 0, 0];
  const values: number[] = [];
  for (const one of held.toReversed()) {
    const part = Math.min(one.ms, left);
    if (part > 0 || values.length === 0) values.push(one.value);
    sum += one.value * part;
    ms += part;
    left -= part;
  }
  return { mean: ms === 0 ? (values[0] ?? 0) : sum / ms, max: Math.max(...values), min: Math.min(...values) };
}

test("with few values it is exactly the step function they make", () => {
  const spanMs = 60_000;
  fc.assert(
    fc.property(heldFor(fc.integer({ min: spanMs / 60, max: 2 * spanMs }), 100), (held) => {
      const { window, nowMs } = windowOf(spanMs, held);
      const { mean, max, min } = naive(spanMs, held);
      expect(aggregate(window, "MEAN", nowMs)).toBeCloseTo(mean, 6);
      expect(aggregate(window, "MAX", nowMs)).toBe(max);
      expect(aggregate(window, "MIN", nowMs)).toBe(min);
    }),
  );
});

test("with any number of values, however dense, it is off by at most a 60th of the span", () => {
  const spans = fc.constantFrom(1, 7, 1_000, 30_000, 3_600_000);
  const dense = spans.chain((spanMs) => fc.tuple(fc.constant(spanMs), heldFor(fc.integer({ min: 1, max: Math.ceil(spanMs / 40) }), 400)));
  fc.assert(
    fc.property(dense, ([spanMs, held]) => {
      const { window, nowMs } = windowOf(spanMs, held);
      const exact = naive(spanMs, held);
      const wider = naive(spanMs * (1 + 1 / 60), held);
      expect(Math.abs(aggregate(window, "MEAN", nowMs) - exact.mean)).toBeLessThanOrEqual((wider.max - wider.min) / 60 + 1e-6);
      const [max, min] = [aggregate(window, "MAX", nowMs), aggregate(window, "MIN", nowMs)];
      expect(max).toBeGreaterThanOrEqual(exact.max);
      expect(max).toBeLessThanOrEqual(wider.max);
      expect(min).toBeLessThanOrEqual(exact.min);
      expect(min).toBeGreaterThanOrEqual(wider.min);
    }),
  );
});

test("the number of pieces is bounded, whatever the span and the pushes, and the whole span stays known", () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 100_000 })), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 86_400_000 }), steps, (spanMs, stepsMs) => {
      let [window, nowMs] = [emptyWindow(spanMs, 0, startMs), startMs];
      for (let index = 0; index < 600; index++) {
        nowMs += stepsMs[index % stepsMs.length] ?? 0;
        window = push(window, index, nowMs);
        expect(window.pieces.length).toBeLessThanOrEqual(piecesMax);
        expect(knownSinceMs(window)).toBeLessThanOrEqual(Math.max(startMs, nowMs - spanMs));
      }
    }),
    { numRuns: 50 },
  );
});

test("a value at the time of the last takes its place, and time never goes back", () => {
  let window = push(emptyWindow(10_000, 1, startMs), 5, startMs + 1_000);
  window = push(window, 7, startMs + 1_000);
  window = push(window, 9, startMs - 50_000);
  expect(aggregate(window, "MEAN", startMs + 2_000)).toBe(5);
  expect(aggregate(window, "MAX", startMs + 2_000)).toBe(9);
  for (const nowMs of [startMs - 50_000, startMs, startMs + 1_000]) expect(aggregate(window, "MEAN", nowMs)).toBe(1);
});

test("a value that was pushed just now has no weight in the mean, unless it is all there is, and counts as the highest and lowest", () => {
  const only = push(emptyWindow(10_000, 1, startMs), 8, startMs);
  expect(aggregate(only, "MEAN", startMs)).toBe(8);
  const next = push(only, 0, startMs + 1_000);
  expect([aggregate(next, "MEAN", startMs + 1_000), aggregate(next, "MIN", startMs + 1_000)]).toEqual([8, 0]);
});

test("pushing leaves the window before as it was", () => {
  const before = push(emptyWindow(1_000, 1, startMs), 2, startMs + 1);
  const copy = structuredClone(before);
  push(before, 3, startMs + 2);
  expect(before).toEqual(copy);
});
