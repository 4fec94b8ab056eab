import { appendFile, mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "../../../src/engine/local/log-file.ts";
import { testFolder } from "./engine-harness.ts";

async function logFile() {
  const path = join(await testFolder(), "stdout.log");
  return { file: new LogFile(path), path };
}

test("a reader gets every byte once, over any number of cuts", async () => {
  const { file, path } = await logFile();
  let [position, seen, written] = [0, "", ""];
  for (let round = 0; round < 20; round++) {
    const text = `round ${round}: ${"x".repeat(round)}\n`;
    await appendFile(path, text);
    written += text;
    if (round % 3 === 1) await file.bound(10);
    for (let more = true; more; ) {
      const { bytes, next } = await file.read(position);
      more = bytes.length > 0;
      position = next;
      seen += bytes;
    }
    // What was cut before it was read is kept in part.
    if (round % 3 === 1) [written, seen] = [written.slice(-10), seen.slice(-10)];
    expect(seen).toBe(written);
  }
});

test("a file above its bound is truncated, and its end is kept in a second file", async () => {
  const { file, path } = await logFile();
  await appendFile(path, "0123456789");
  await file.bound(10);
  expect(await readFile(path, "utf8")).toBe("0123456789");
  await appendFile(path, "abc");
  await file.bound(10);
  expect((await stat(path)).size).toBe(0);
  expect(await readFile(`${path}.1`, "utf8")).toBe("3456789abc");
});

test("its tail reaches over a cut", async () => {
  const { file, path } = await logFile();
  await appendFile(path, "0123456789");
  await file.bound(5);
  await appendFile(path, "abc");
  expect(String((await file.tail(6)).bytes)).toBe("789abc");
  expect(String((await file.tail(100)).bytes)).toBe("56789abc");
  expect(String((await file.tail(2)).bytes)).toBe("bc");
});

test("its tail reaches over a cut that a former controller made", async () => {
  const { file, path } = await logFile();
  await appendFile(path, "0123456789");
  await file.bound(5);
  await appendFile(path, "abc");
  expect(String((await new LogFile(path).tail(6)).bytes)).toBe("789abc");
});

test("a file that is not there is empty", async () => {
  const { file } = await logFile();
  await file.bound(5);
  expect(await file.tail(10)).toEqual({ bytes: Buffer.alloc(0), next: 0 });
});

test("its bound holds also where its end cannot be kept, and a reader goes on after it", async () => {
  const { file, path } = await logFile();
  await appendFile(path, "0123456789");
  await file.bound(5);
  await appendFile(path, "abcdefgh");
  await mkdir(`${path}.1.part`); // as a full disk: it cannot be written
  await mkdir(join(`${path}.1.part`, "a"));
  expect(await file.bound(5)).toBe(true);
  expect((await stat(path)).size).toBe(0);
  await appendFile(path, "xyz");
  expect(String((await file.tail(100)).bytes)).toBe("xyz");
  expect(String((await file.read(0)).bytes)).toBe("xyz");
});
