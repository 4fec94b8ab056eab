// Models by name and batches, from the caller to the metrics, in TypeScript and in Python.
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { python, pythonTest } from "../sdk/python-harness.ts";
import { pythonToolchain } from "../sdk/python-toolchain.ts";
import { Drover, until } from "./drover.ts";

let drover: Drover;
beforeAll(async () => {
  const path = "python" in (await pythonToolchain()) ? [dirname(python())] : [];
  drover = await Drover.start([], undefined, ["env", `PATH=${[...path, process.env.PATH].join(":")}`]);
});
afterAll(() => drover.close());

const names = ["a", "b", "c", "d", "e", "f"];

interface Asked {
  readonly pid: number;
  readonly loads: number;
  readonly name: string;
}

async function holds(name: string, program: object): Promise<void> {
  const deployed = await drover.deploy(name, { numReplicas: 2, maxOngoingRequests: 20, program });
  expect(deployed.status?.runningReplicas).toBe(2);
  const replicas = () => drover.running(name);
  await until("both replicas have reported how many models they hold", async () => (await replicas()).every((one) => one.maxModels === 3));
  const loads = new Map<number, number>();
  const ask = async (model: string) => {
    const asked = (await drover.invoke(name, "ask", null, { metadata: { "drover-model": model } })) as Asked;
    expect(asked.name).toBe(model);
    loads.set(asked.pid, Math.max(asked.loads, loads.get(asked.pid) ?? 0));
  };
  for (let round = 0; round < 10; round++) await Promise.all(names.map((_, index) => ask(names[(index * 5 + round) % 6] as string)));
  expect([...loads.values()]).toEqual([3, 3]);

  const endpoints = async () => {
    const leave = new AbortController();
    for await (const { endpoints } of drover.controller.watchEndpoints({ names: [name] }, { signal: leave.signal })) return endpoints;
    throw new Error("no state");
  };
  for (const known of [replicas, endpoints]) {
    await until("what they hold is known", async () => {
      const held = (await known()).map(({ models }) => models);
      return held.every(({ length }) => length === 3) && held.flat().toSorted().join() === names.join();
    });
  }

  const numbers = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((number) => drover.invoke(name, "together", number, { deadlineMs: 2_000 })));
  expect(numbers.map((result) => (result as number[])[0])).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(Math.max(...numbers.map((result) => (result as number[])[1] as number))).toBeGreaterThan(1);
  await until("the metrics count them", async () => {
    const text = await (await fetch(`http://${drover.addresses.http}/metrics`)).text();
    const sum = (metric: string) =>
      [...text.matchAll(new RegExp(`^${metric}{deployment="${name}",.*} (.+)$`, "gm"))].reduce(
        (total, [, value]) => total + Number(value),
        0,
      );
    return sum("drover_batch_items_total") === 7 && sum("drover_models") === 6;
  });
}

test("6 models on 2 replicas of 3 each, 60 requests: 6 loads; what they hold and their batches are known", async () => {
  await holds("models", { kind: { case: "module", value: { path: `${import.meta.dirname}/fixtures/models.ts` } } });
});

pythonTest("the same in Python", async () => {
  await holds("models-py", { kind: { case: "module", value: { path: `${import.meta.dirname}/fixtures/models.py` } } });
});
