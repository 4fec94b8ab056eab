import { expect, test } from "vitest";
import { Closers, openAll } from "../../src/controller/closers.ts";
import { silentLog } from "../../src/log/log.ts";

/** Opens parts that note when they are closed, then does `last`. */
const opening = (closed: string[], last: () => void) =>
  openAll(silentLog, (closers) => {
    for (const name of ["first", "second"]) closers.add(() => void closed.push(name));
    last();
    return { opened: true };
  });

test("parts are closed in the opposite order, once", async () => {
  const closed: string[] = [];
  const parts = await opening(closed, () => {});
  expect(parts.opened).toBe(true);
  expect(closed).toEqual([]);
  await parts.close();
  await parts.close();
  expect(closed).toEqual(["second", "first"]);
});

test("where a part cannot be opened, those before it are closed, and the cause is kept", async () => {
  const closed: string[] = [];
  const failing = opening(closed, () => {
    throw new Error("the port is in use");
  });
  await expect(failing).rejects.toThrow("the port is in use");
  expect(closed).toEqual(["second", "first"]);
});

test("a part that cannot be closed keeps no other from being closed", async () => {
  const closed: string[] = [];
  const closers = new Closers(silentLog);
  closers.add(() => void closed.push("first"));
  closers.add(() => Promise.reject(new Error("stuck")));
  closers.add(() => {
    throw new Error("stuck at once");
  });
  closers.add(() => void closed.push("last"));
  await closers.close();
  expect(closed).toEqual(["last", "first"]);
});
