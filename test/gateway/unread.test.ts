import { expect, test } from "vitest";
import { Unread, type UnreadCall, unreadBytesMax, unreadPerCallBytes } from "../../src/gateway/unread.ts";

test("what waits longest is given up when all hold too much; who reads again is spared", () => {
  const unread = new Unread();
  const givenUp: number[] = [];
  const calls = Array.from(
    { length: Math.floor(unreadBytesMax / unreadPerCallBytes) + 2 },
    (_, index): UnreadCall => ({ giveUp: () => void givenUp.push(index) }),
  );
  for (const call of calls.slice(0, -2)) unread.add(call);
  expect(givenUp).toEqual([]);
  unread.delete(calls[0] as UnreadCall);
  unread.add(calls.at(-2) as UnreadCall);
  expect(givenUp).toEqual([]);
  unread.add(calls.at(-1) as UnreadCall);
  expect(givenUp).toEqual([1]);
  expect(unread.size * unreadPerCallBytes).toBeLessThanOrEqual(unreadBytesMax);
});
