import { expect, test } from "vitest";
import { behindBytesMax, behindMax, EventQueue } from "../../src/api/event-queue.ts";
import { ReaderTurns } from "../../src/api/reader-turns.ts";

function open({ bytesOf = (_event: number): number => 1, inTurn = (wake: () => void) => wake() } = {}) {
  const slowAt: number[] = [];
  const queue = new EventQueue<number>({ bytesOf, tooSlow: (event) => slowAt.push(event), inTurn });
  return { queue, slowAt };
}

async function all(queue: EventQueue<number>, onEvent: (event: number) => void = () => {}): Promise<readonly number[]> {
  const seen: number[] = [];
  for await (const event of queue.events()) {
    seen.push(event);
    onEvent(event);
  }
  return seen;
}

test("events come in order, those pushed while the reader works too, and all before the end", async () => {
  const { queue } = open();
  queue.push(1);
  queue.push(2);
  const reading = all(queue, (event) => {
    if (event === 2) queue.push(3);
    if (event === 3) {
      queue.push(4);
      queue.finish();
      queue.push(5);
    }
  });
  expect(await reading).toEqual([1, 2, 3, 4]);
});

test("a reader that waits is woken by an event, and by the end", async () => {
  const { queue } = open();
  const reading = all(queue, () => queue.finish());
  queue.push(1);
  expect(await reading).toEqual([1]);
  const quiet = open().queue;
  const waiting = all(quiet);
  quiet.end();
  expect(await waiting).toEqual([]);
});

test("an end is at once, and the first error given stays", async () => {
  const { queue } = open();
  queue.push(1);
  queue.push(2);
  const reading = all(queue, () => {
    queue.end(new Error("first"));
    queue.end(new Error("second"));
    queue.finish();
  });
  await expect(reading).rejects.toThrow("first");
});

test("a reader that is too many events behind ends, and its events are dropped", async () => {
  const { queue, slowAt } = open();
  for (let event = 1; event <= behindMax + 2; event++) queue.push(event);
  expect(slowAt).toEqual([behindMax + 1]);
  expect(await all(queue)).toEqual([]);
});

test("a reader that is too many bytes behind ends; one event may be larger", async () => {
  const large = open({ bytesOf: () => behindBytesMax + 1 });
  large.queue.push(1);
  expect(large.slowAt).toEqual([]);
  large.queue.push(2);
  expect(large.slowAt).toEqual([2]);
  const { queue, slowAt } = open({ bytesOf: () => behindBytesMax / 4 });
  const reading = all(queue, (event) => (event < 20 ? queue.push(event + 1) : queue.finish()));
  for (let event = -3; event <= 0; event++) queue.push(event);
  expect((await reading).at(-1)).toBe(20);
  expect(slowAt).toEqual([]);
});

test("many readers are woken in turns, so that other work goes on in between", async () => {
  const turns = new ReaderTurns();
  let woken = 0;
  const turnsTaken: number[] = [];
  for (let i = 0; i < 100; i++)
    turns.take(() => {
      woken += 1;
    });
  while (woken < 100) {
    await new Promise((resolve) => setImmediate(resolve));
    turnsTaken.push(woken);
  }
  expect(turnsTaken.length).toBeGreaterThan(10);
});

test("a reader that is woken again before its turn has one turn", async () => {
  const turns = new ReaderTurns();
  let woken = 0;
  const wake = () => {
    woken += 1;
  };
  turns.take(wake);
  turns.take(wake);
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(woken).toBe(1);
});
