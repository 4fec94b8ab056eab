import { expect, test } from "vitest";
import { EventQueue } from "../../src/api/event-queue.ts";

const tooSlow = (event: number) => new Error(`too slow at ${event}`);

async function all(queue: EventQueue<number>, onEvent: (event: number) => void = () => {}): Promise<readonly number[]> {
  const seen: number[] = [];
  for await (const event of queue.events()) {
    seen.push(event);
    onEvent(event);
  }
  return seen;
}

test("events come in order, those pushed while the reader works too, and all before the end", async () => {
  const queue = new EventQueue<number>(tooSlow);
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
  const queue = new EventQueue<number>(tooSlow);
  const reading = all(queue, () => queue.finish());
  queue.push(1);
  expect(await reading).toEqual([1]);
  const quiet = new EventQueue<number>(tooSlow);
  const waiting = all(quiet);
  quiet.end();
  expect(await waiting).toEqual([]);
});

test("an end is at once, and the first error given stays", async () => {
  const queue = new EventQueue<number>(tooSlow);
  queue.push(1);
  queue.push(2);
  const reading = all(queue, () => {
    queue.end(new Error("first"));
    queue.end(new Error("second"));
    queue.finish();
  });
  await expect(reading).rejects.toThrow("first");
});

test("a reader too far behind gets an error, and no queue grows without bound", async () => {
  const queue = new EventQueue<number>(tooSlow);
  for (let event = 1; event <= 5_002; event++) queue.push(event);
  await expect(all(queue)).rejects.toThrow("too slow at 5001");
});
