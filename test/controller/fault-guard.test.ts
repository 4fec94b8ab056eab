import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const guard = new URL("../../src/controller/fault-guard.ts", import.meta.url).href;

/** Runs a module in a process of its own, with a guard named `guard`. */
const run = async (script: string) => {
  const source = `
    const { FaultGuard } = await import(${JSON.stringify(guard)});
    const logged = [];
    const guard = new FaultGuard({ error: (entry) => logged.push(entry) });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    ${script}`;
  return (await promisify(execFile)(process.execPath, ["--input-type=module", "-e", source])).stdout;
};

test("an error that nothing caught is logged and counted, and the process goes on", async () => {
  const printed = await run(`
    setImmediate(() => { throw new Error("thrown") });
    Promise.reject(new Error("rejected"));
    await turn(); await turn();
    console.log(JSON.stringify([guard.faults, logged.map(({ err }) => err.message).sort()]));`);
  expect(JSON.parse(printed)).toEqual([2, ["rejected", "thrown"]]);
});

test("after the guard is closed, such an error ends the process", async () => {
  await expect(run(`await guard.close(); setImmediate(() => { throw new Error("thrown") });`)).rejects.toMatchObject({ code: 1 });
});
