import { appendFile, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "../../../src/engine/local/log-file.ts";
import { LogTimes } from "../../../src/engine/local/log-times.ts";
import { testFolder } from "./engine-harness.ts";

/** A log whose text was last written at that second. */
async function writtenAt(path: string, text: string, second: number): Promise<void> {
  await appendFile(path, text);
  await utimes(path, second, second);
}

test("a byte was written when the output was first seen with it", async () => {
  const path = join(await testFolder(), "stdout.log");
  const file = new LogFile(path);
  await writtenAt(path, "12345", 100);
  file.noteTime();
  await writtenAt(path, "67890", 200);
  file.noteTime();
  file.noteTime();
  expect([1, 5, 6, 10].map((position) => file.writtenAtMs(position))).toEqual([100_000, 100_000, 200_000, 200_000]);
  expect(file.writtenAtMs(11)).toBeUndefined();
});

test("times outlive cuts and controllers, and stand in a file that a person can read", async () => {
  const path = join(await testFolder(), "stdout.log");
  const first = new LogFile(path);
  await writtenAt(path, "12345", 100);
  first.noteTime();
  await first.bound(3);
  await writtenAt(path, "67", 200);
  first.noteTime();
  const second = new LogFile(path);
  await writtenAt(path, "89", 300);
  second.noteTime();
  expect([5, 7, 9].map((position) => second.writtenAtMs(position))).toEqual([100_000, 200_000, 300_000]);
  const { bytes, next } = await second.tail(100);
  expect([String(bytes), next]).toEqual(["3456789", 9]);
  expect(await readFile(`${path}.times`, "utf8")).toBe(
    ["5 1970-01-01T00:01:40.000Z", "cut 5", "7 1970-01-01T00:03:20.000Z", "9 1970-01-01T00:05:00.000Z", ""].join("\n"),
  );
});

test("of what an earlier version wrote, no time is known; of what comes later, it is", async () => {
  const path = join(await testFolder(), "stdout.log");
  await writtenAt(path, "old", 100);
  for (let controllers = 0; controllers < 2; controllers++) {
    const file = new LogFile(path);
    file.noteTime();
    expect(file.writtenAtMs(3)).toBeUndefined();
  }
  const file = new LogFile(path);
  await writtenAt(path, "new", 200);
  file.noteTime();
  expect([3, 4].map((position) => file.writtenAtMs(position))).toEqual([undefined, 200_000]);
});

test("times that do not fit the output are not used", async () => {
  const path = join(await testFolder(), "stdout.log");
  await writeFile(`${path}.times`, "500 1970-01-01T00:01:40.000Z\n");
  await writtenAt(path, "short", 200);
  const file = new LogFile(path);
  file.noteTime();
  expect(file.writtenAtMs(5)).toBeUndefined();
});

test("a year of marks stays within bounds, and the newest are exact", async () => {
  const path = join(await testFolder(), "x.times");
  const times = new LogTimes(path, 0);
  for (let second = 1; second <= 20_000; second++) times.note(second * 10, second * 1_000, () => 0);
  expect((await stat(path)).size).toBeLessThan(60_000);
  expect([199_999, 200_000].map((position) => times.at(position))).toEqual([20_000_000, 20_000_000]);
  const read = new LogTimes(path, 200_000);
  for (const position of [5, 50_000, 123_456, 200_000]) {
    expect(read.at(position)).toBe(times.at(position));
    expect(Number(times.at(position))).toBeGreaterThanOrEqual(position * 100);
  }
  await rm(path);
});
