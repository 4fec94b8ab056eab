import { expect, test } from "vitest";
import { KeptPool, KeptRequest, keptAlwaysBytes, keptBytesMax, keptPoolBytes } from "../../src/gateway/kept-request.ts";

test("what is kept is what came, however it was cut", () => {
  const request = new KeptRequest(new KeptPool());
  const text = Array.from({ length: 1_000 }, (_, index) => `chunk ${index};`);
  for (const part of text) {
    request.add(Buffer.from(part));
    request.fit();
  }
  expect(Buffer.concat(request.chunks).toString()).toBe(text.join(""));
  expect(request.chunks.length).toBeLessThan(100); // many small ones would cost more than they hold
});

test("a request keeps up to its bound, and nothing once it is longer", () => {
  const request = new KeptRequest(new KeptPool());
  request.add(Buffer.alloc(keptBytesMax));
  request.fit();
  expect([request.lack, request.chunks.length]).toEqual([undefined, 1]);
  request.add(Buffer.alloc(1));
  request.fit();
  expect(request.lack).toContain(String(keptBytesMax));
  expect(request.chunks).toEqual([]);
});

test("what is not sent yet is kept whatever it is", () => {
  const request = new KeptRequest(new KeptPool());
  request.add(Buffer.alloc(keptBytesMax + 1));
  expect([request.lack, request.chunks.length]).toEqual([undefined, 1]);
});

test("the pool gets back what was taken, once, however a request ends", () => {
  const pool = new KeptPool();
  const dropped = new KeptRequest(pool);
  dropped.add(Buffer.alloc(keptAlwaysBytes + 1_000));
  dropped.fit();
  expect(pool.take(keptPoolBytes - 999)).toBe(false);
  dropped.drop();
  dropped.drop();
  const tooLong = new KeptRequest(pool);
  for (const bytes of [keptBytesMax, 1]) {
    tooLong.add(Buffer.alloc(bytes));
    tooLong.fit();
  }
  expect(tooLong.lack).toBeDefined();
  expect(pool.take(keptPoolBytes)).toBe(true);
  expect(pool.take(1)).toBe(false);
  const small = new KeptRequest(pool);
  small.add(Buffer.alloc(keptAlwaysBytes));
  small.fit();
  expect(small.lack).toBeUndefined();
});
