import { expect, test } from "vitest";
import { KeptPool, KeptRequest, keptAlwaysBytes } from "../../src/gateway/kept-request.ts";

const messageBytesMax = 1_000_000;
const newPool = () => new KeptPool(messageBytesMax);
const { requestBytesMax, bytesMax } = newPool();

test("what is kept is what came, however it was cut", () => {
  const request = new KeptRequest(newPool());
  const text = Array.from({ length: 1_000 }, (_, index) => `chunk ${index};`);
  for (const part of text) {
    request.add(Buffer.from(part));
    request.fit();
  }
  expect(Buffer.concat(request.chunks).toString()).toBe(text.join(""));
  expect(request.chunks.length).toBeLessThan(100); // many small ones would cost more than they hold
});

test("a request keeps up to its bound, and nothing once it is longer", () => {
  const request = new KeptRequest(newPool());
  request.add(Buffer.alloc(requestBytesMax));
  request.fit();
  expect([request.lack, request.chunks.length]).toEqual([undefined, 1]);
  request.add(Buffer.alloc(1));
  request.fit();
  expect(request.lack).toContain(String(requestBytesMax));
  expect(request.chunks).toEqual([]);
});

test("four of the largest messages are kept at the same time, with what comes before each", () => {
  const pool = newPool();
  const lacks = Array.from({ length: 5 }, () => {
    const request = new KeptRequest(pool);
    request.add(Buffer.alloc(messageBytesMax + 5));
    request.fit();
    return request.lack;
  });
  expect(lacks.slice(0, 4)).toEqual([undefined, undefined, undefined, undefined]);
});

test("what is not sent yet is kept whatever it is", () => {
  const request = new KeptRequest(newPool());
  request.add(Buffer.alloc(requestBytesMax + 1));
  expect([request.lack, request.chunks.length]).toEqual([undefined, 1]);
});

test("the pool gets back what was taken, once, however a request ends", () => {
  const pool = newPool();
  const dropped = new KeptRequest(pool);
  dropped.add(Buffer.alloc(keptAlwaysBytes + 1_000));
  dropped.fit();
  expect(pool.take(bytesMax - 999)).toBe(false);
  dropped.drop();
  dropped.drop();
  const tooLong = new KeptRequest(pool);
  for (const bytes of [requestBytesMax, 1]) {
    tooLong.add(Buffer.alloc(bytes));
    tooLong.fit();
  }
  expect(tooLong.lack).toBeDefined();
  expect(pool.take(bytesMax)).toBe(true);
  expect(pool.take(1)).toBe(false);
  const small = new KeptRequest(pool);
  small.add(Buffer.alloc(keptAlwaysBytes));
  small.fit();
  expect(small.lack).toBeUndefined();
});
