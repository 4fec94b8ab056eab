import fc from "fast-check";
import { expect, test } from "vitest";
import { Queue, type Ticket } from "../../src/gateway/queue.ts";

test("a queue is first in first out, also when requests leave or come back in between", () => {
  const deeds = fc.array(fc.oneof(fc.constant("put"), fc.constant("shift"), fc.constant("back"), fc.nat(20)), { maxLength: 200 });
  fc.assert(
    fc.property(deeds, (all) => {
      const queue = new Queue<number>();
      let model: number[] = [];
      const tickets = new Map<number, Ticket<number>>();
      const served: number[] = [];
      let turns = 0;
      const put = (turn: number) => {
        tickets.set(turn, queue.put(turn, turn));
        model = [...model, turn].sort((a, b) => a - b);
      };
      for (const deed of all) {
        if (deed === "put") put(turns++);
        else if (deed === "shift") {
          expect(queue.shift()).toBe(model[0]);
          if (model[0] !== undefined) served.push(model[0]);
          model = model.slice(1);
        } else if (deed === "back") {
          const turn = served.pop();
          if (turn !== undefined) put(turn);
        } else {
          const turn = model[Number(deed) % Math.max(1, model.length)];
          if (turn === undefined) continue;
          const ticket = tickets.get(turn) as Ticket<number>;
          expect(queue.remove(ticket)).toBe(true);
          expect(queue.remove(ticket)).toBe(false);
          model = model.filter((one) => one !== turn);
        }
        expect(queue.size).toBe(model.length);
        expect(queue.first?.value).toBe(model[0]);
      }
      for (const turn of model) expect(queue.shift()).toBe(turn);
      expect(queue.shift()).toBeUndefined();
    }),
  );
});
