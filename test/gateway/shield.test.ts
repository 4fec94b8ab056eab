import { expect, test } from "vitest";
import { shieldOf } from "../../src/gateway/shield.ts";

interface Events {
  happened(what: string, times: number): void;
}

const Shield = shieldOf<Events>(["happened"]);

test("events arrive with their arguments; what their receiver throws does not reach their sender", () => {
  const got: unknown[] = [];
  const thrown: unknown[] = [];
  const receiver: Events = {
    happened: (what, times) => {
      got.push([what, times]);
      if (times > 1) throw new Error(what);
    },
  };
  const shield = new Shield(receiver, (error) => thrown.push(error));
  shield.happened("one", 1);
  expect([got, thrown]).toEqual([[["one", 1]], []]);
  shield.happened("two", 2);
  expect(thrown).toEqual([new Error("two")]);
});
