// Who fills a store that came back empty, and when.
import { expect, onTestFinished, test } from "vitest";
import { type Log, silentLog } from "../../src/log/log.ts";
import { LeaseKeeper, leaseMs } from "../../src/loops/lease-keeper.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import type { Write } from "../../src/store/store.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { deploymentRecord } from "../kit/records.ts";
import { until } from "../kit/until.ts";

const put = (key: string): Write => ({ put: "deployment", key, version: 0, value: deploymentRecord(key) });

async function world() {
  const clock = new HandClock();
  const store = new MemoryStore({ clock });
  const keep = async (id: string, log: Log = silentLog) => {
    const mirror = await Mirror.open({ store, clock, log: silentLog });
    const end = new AbortController();
    const keeper = new LeaseKeeper({
      ...{ store, id, clock, log },
      catchUp: () => mirror.catchUp(),
      content: () => mirror.content(),
    });
    const done = keeper.run(end.signal);
    onTestFinished(async () => {
      end.abort();
      await done;
      await mirror.close();
    });
    return { keeper, mirror };
  };
  /** Lets time pass in small steps until it holds; returns how much. */
  const passUntil = async (holds: () => boolean): Promise<number> => {
    let passedMs = 0;
    for (; !holds(); passedMs += 100) {
      clock.pass(100);
      for (let i = 0; i < 20; i++) await Promise.resolve();
    }
    return passedMs;
  };
  return { clock, store, keep, passUntil };
}

test("the leader writes everything back under a higher epoch before its lease runs out", async () => {
  const { store, keep, passUntil } = await world();
  const { keeper, mirror } = await keep("leader");
  await until(() => keeper.epoch !== undefined);
  const before = keeper.epoch ?? 0;
  await store.commit([put("a"), put("b")]);
  await until(() => mirror.position === 2);
  store.empty();
  expect(await passUntil(() => (keeper.epoch ?? 0) > before)).toBeLessThan(leaseMs);
  expect((await store.list("deployment", { limit: 9 })).entries.map(({ key }) => key)).toEqual(["a", "b"]);
  expect(await store.position()).toBe(2);
});

test("a follower leaves that to the leader, and does it only if there is none", async () => {
  const { store, keep, passUntil } = await world();
  const leader = await keep("leader");
  await until(() => leader.keeper.epoch !== undefined);
  const follower = await keep("follower");
  await until(async () => (await store.controllers()).controllers.length === 2);
  store.empty();
  await passUntil(() => store.trouble === undefined);
  expect((await store.controllers()).leader?.id).toBe("leader");
  expect(follower.keeper.epoch).toBeUndefined();
});

test("a leader whose lease ran out while the store was away fills it when nobody else did", async () => {
  const { clock, store, keep, passUntil } = await world();
  const { keeper } = await keep("leader");
  await until(() => keeper.epoch !== undefined);
  await store.commit([put("a")]);
  store.setFault("unavailable");
  clock.pass(2 * leaseMs);
  expect(keeper.epoch).toBeUndefined();
  store.empty();
  store.setFault("none");
  await passUntil(() => keeper.epoch !== undefined);
  expect(await store.get("deployment", "a")).toBeDefined();
});

test("a store that fails again and again is said once, and once more when it is back", async () => {
  const { clock, store, keep, passUntil } = await world();
  const lines: string[] = [];
  const line = (level: string) => () => void lines.push(level);
  const log = Object.assign(Object.create(silentLog), { warn: line("warn"), info: line("info") }) as Log;
  const { keeper } = await keep("leader", log);
  await until(() => keeper.epoch !== undefined);
  lines.length = 0;
  store.setFault("unavailable");
  const downUntilMs = clock.nowMs() + 10 * leaseMs;
  await passUntil(() => clock.nowMs() >= downUntilMs);
  expect(lines).toEqual(["warn"]);
  store.setFault("none");
  await passUntil(() => keeper.epoch !== undefined);
  expect(lines[1]).toBe("info");
});
