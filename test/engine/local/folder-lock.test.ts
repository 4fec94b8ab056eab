import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { lockFolder } from "../../../src/engine/local/folder-lock.ts";
import { deepFolder, testFolder } from "./engine-harness.ts";

const program = `
  import { lockFolder } from ${JSON.stringify(new URL("../../../src/engine/local/folder-lock.ts", import.meta.url).href)};
  process.stdin.once("data", async () => {
    try {
      await lockFolder(process.argv[1]);
      console.log("locked");
    } catch (error) {
      console.log(error.message);
    }
  });
  console.log("ready");
`;

/** A process that takes the lock on request and keeps it while it lives. */
async function taker(folder: string) {
  const child = spawn("node", ["--input-type=module", "-e", program, folder], { stdio: ["pipe", "pipe", "inherit"] });
  const answer = () => new Promise<string>((resolve) => child.stdout.once("data", (text) => resolve(String(text).trim())));
  await answer();
  const take = () => {
    const taken = answer();
    child.stdin.write("go\n");
    return taken;
  };
  const kill = async () => {
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exited;
  };
  return { pid: child.pid, take, kill };
}

describe.each([
  ["a folder", testFolder],
  ["a folder with a long path", deepFolder],
])("the lock of %s", (_, newFolder) => {
  test("is refused to a second controller, with the pid of the first and the remedy, until it is released", async () => {
    const folder = await newFolder();
    const first = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(
      `another controller (pid ${process.pid}) runs on the data folder ${folder}: stop it, or give this one another folder with --data`,
    );
    await first.release();
    await (await lockFolder(folder)).release();
  });

  test("of a killed controller is taken over", async () => {
    const folder = await newFolder();
    const holder = await taker(folder);
    expect(await holder.take()).toBe("locked");
    await expect(lockFolder(folder)).rejects.toThrow(`pid ${holder.pid}`);
    await holder.kill();
    await (await lockFolder(folder)).release();
  });
});

test("a lock that a killed controller left is given to one of many that come at once", async () => {
  const folder = await testFolder();
  const holder = await taker(folder);
  await holder.take();
  await holder.kill();
  const takers = await Promise.all(Array.from({ length: 5 }, () => taker(folder)));
  const answers = await Promise.all(takers.map(({ take }) => take()));
  expect(answers.filter((answer) => answer === "locked")).toHaveLength(1);
  expect((await readdir(folder)).sort()).toEqual([expect.stringMatching(/^controller\.[23456]\.sock$/), "controller.pid"]);
  for (const { kill } of takers) await kill();
});
