import { expect, test } from "vitest";
import { type Allowance, afterSeen, afterUnseen, newAllowance, unseenMax } from "../../src/gateway/leaving.ts";

/** How many calls a connection can take back unseen at one moment. */
function spendAll(from: Allowance, nowMs: number): { readonly spent: number; readonly last: Allowance } {
  let spent = 0;
  let last = from;
  for (let next = afterUnseen(last, nowMs); next !== undefined; next = afterUnseen(last, nowMs)) {
    last = next;
    spent++;
  }
  return { spent, last };
}

test("a connection may take back so many calls at once, and regains some each second", () => {
  const { spent, last } = spendAll(newAllowance(0), 0);
  expect(spent).toBe(unseenMax.burst);
  expect(spendAll(last, 2_000).spent).toBe(2 * unseenMax.perSecond);
  expect(spendAll(last, 1e9).spent).toBe(unseenMax.burst);
});

test("a call that is seen gives one back; more than the burst is never saved", () => {
  const { last } = spendAll(newAllowance(0), 0);
  expect(spendAll(afterSeen(afterSeen(last)), 0).spent).toBe(2);
  expect(spendAll(afterSeen(newAllowance(0)), 0).spent).toBe(unseenMax.burst);
});

test("a clock that goes back takes nothing away", () => {
  expect(spendAll(newAllowance(10_000), 0).spent).toBe(unseenMax.burst);
});
