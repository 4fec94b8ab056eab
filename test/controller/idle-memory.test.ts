import { expect, test } from "vitest";
import { giveMemoryBack } from "../../src/controller/idle-memory.ts";
import { HandClock } from "../kit/hand-clock.ts";

const mebibyte = 2 ** 20;
const lookMs = 10_000;
const settleMs = 1_000;

/** A process whose memory and work are set by hand. */
function open() {
  const clock = new HandClock();
  const stop = new AbortController();
  const facts = { held: 50 * mebibyte, live: 50 * mebibyte, cpuMs: 0, collected: 0 };
  const over = giveMemoryBack(clock, stop.signal, {
    residentBytes: () => facts.held,
    cpuMs: () => facts.cpuMs,
    collect: () => {
      facts.collected += 1;
      facts.held = facts.live;
    },
  });
  const pass = async (ms: number) => {
    clock.pass(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const look = async () => {
    await pass(lookMs);
    await pass(settleMs);
  };
  const close = async () => {
    stop.abort();
    await over;
  };
  return { facts, look, close };
}

test("garbage is collected once the process is idle after a wave, and not again while it rests", async () => {
  const { facts, look, close } = open();
  await look();
  facts.held = 400 * mebibyte;
  facts.cpuMs = 9_000;
  await look();
  expect(facts.collected).toBe(0);
  facts.cpuMs = 100;
  for (let i = 0; i < 5; i++) await look();
  expect([facts.collected, facts.held]).toEqual([1, 50 * mebibyte]);
  facts.held = 300 * mebibyte;
  await look();
  expect(facts.collected).toBe(2);
  await close();
});

test("a little growth is left alone, and so is a process whose collection would take long", async () => {
  const { facts, look, close } = open();
  await look();
  facts.held += 60 * mebibyte;
  await look();
  expect(facts.collected).toBe(0);
  await close();
  const large = open();
  large.facts.held = 1_000 * mebibyte;
  await large.look();
  large.facts.held = 2_000 * mebibyte;
  await large.look();
  expect(large.facts.collected).toBe(0);
  await large.close();
});

test("a collection that frees nothing is not repeated", async () => {
  const { facts, look, close } = open();
  await look();
  facts.held = 200 * mebibyte;
  facts.live = 200 * mebibyte;
  for (let i = 0; i < 5; i++) await look();
  expect(facts.collected).toBe(1);
  await close();
});
