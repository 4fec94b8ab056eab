import { expect, onTestFinished, test } from "vitest";
import { silentLog } from "../../src/log/log.ts";
import { LeaderClock } from "../../src/loops/leader-clock.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { replicaRecord } from "../kit/records.ts";

const hourMs = 3_600_000;

/** The clock of a leader that finds a replica whose record has this time. */
async function leaderAfter(sinceMs: number) {
  const clock = new HandClock();
  const store = new MemoryStore({ clock });
  const value = { ...replicaRecord("r", "app"), createdAtMs: 0, sinceMs };
  await store.commit([{ put: "replica", key: "r", version: 0, value }]);
  const mirror = await Mirror.open({ store, clock, log: silentLog });
  onTestFinished(() => mirror.close());
  return { clock, leader: new LeaderClock(clock, mirror) };
}

test("where no record is newer, a leader's time is that of its process", async () => {
  const { clock, leader } = await leaderAfter(new HandClock().nowMs() - hourMs);
  leader.lead();
  expect(leader.nowMs()).toBe(clock.nowMs());
  expect(leader.fromProcess(5)).toBe(5);
});

test("a leader's time is not before that of an earlier leader, and goes on from there, by whole seconds of difference", async () => {
  const newestMs = new HandClock().nowMs() + hourMs + 1;
  const { clock, leader } = await leaderAfter(newestMs);
  leader.lead();
  const leadsMs = leader.nowMs();
  expect(leadsMs).toBeGreaterThanOrEqual(newestMs);
  expect(leadsMs - newestMs).toBeLessThan(1_000);
  expect((leadsMs - clock.nowMs()) % 1_000).toBe(0);
  clock.pass(250);
  expect(leader.nowMs()).toBe(leadsMs + 250);
  leader.lead();
  expect(leader.nowMs()).toBe(leadsMs + 250);
});

test("a step of the wall clock changes no time but that of the wall", async () => {
  const { clock, leader } = await leaderAfter(0);
  const beforeMs = [leader.nowMs(), leader.wallMs()];
  clock.stepWall(-hourMs);
  expect([leader.nowMs(), leader.wallMs()]).toEqual([beforeMs[0], (beforeMs[1] ?? 0) - hourMs]);
});
