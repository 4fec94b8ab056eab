import { describe, expect, test } from "vitest";
import { allocated, covers, formatBytes, formatMilli, free, type Resources } from "../../src/core/resources.ts";

const capacity = { cpuMilli: 4000, gpuCount: 2, memoryBytes: 1000 };
const holding = (cpuMilli: number, gpuMilli: number, memoryBytes: number, gpuIndexes: number[] = []) => ({
  resources: { cpuMilli, gpuMilli, memoryBytes },
  gpuIndexes,
});

describe("the ledger", () => {
  test("what is held adds up, and what is left is the rest", () => {
    const held = [holding(500, 300, 100, [1]), holding(1000, 1000, 200, [0]), holding(100, 200, 0, [1])];
    expect(allocated(held)).toEqual({ cpuMilli: 1600, gpuMilli: 1500, memoryBytes: 300, custom: {} });
    expect(free(capacity, held)).toEqual({ cpuMilli: 2400, gpuMilli: [0, 500], memoryBytes: 700, custom: {} });
  });

  test("a replica of several whole GPUs takes each of them whole", () => {
    expect(free(capacity, [holding(0, 2000, 0, [0, 1])]).gpuMilli).toEqual([0, 0]);
  });

  test("a machine that has shrunk has nothing left, not less than nothing", () => {
    const held = [holding(5000, 3000, 2000, [0, 1, 2])];
    expect(free(capacity, held)).toEqual({ cpuMilli: 0, gpuMilli: [0, 0], memoryBytes: 0, custom: {} });
  });

  test("tenths add up exactly", () => {
    const held = Array.from({ length: 10 }, () => holding(100, 100, 0, [0]));
    expect(free({ cpuMilli: 1000, gpuCount: 1, memoryBytes: 0 }, held)).toEqual({
      cpuMilli: 0,
      gpuMilli: [0],
      memoryBytes: 0,
      custom: {},
    });
  });

  test("resources that the operator named are counted by name", () => {
    const named = (custom: Record<string, number>) => ({ resources: { ...holding(0, 0, 0, []).resources, custom }, gpuIndexes: [] });
    const held = [named({ tpu: 500, disk: 1 }), named({ tpu: 1_000 })];
    expect(allocated(held).custom).toEqual({ tpu: 1_500, disk: 1 });
    expect(free({ ...capacity, custom: { tpu: 4_000, disk: 0 } }, held).custom).toEqual({ tpu: 2_500, disk: 0 });
  });
});

describe("amounts for a person", () => {
  test.each([
    [0, "0"],
    [1, "0.001"],
    [500, "0.5"],
    [2000, "2"],
    [2500, "2.5"],
  ])("%i thousandths are %s", (milli, text) => expect(formatMilli(milli)).toBe(text));

  test.each([
    [0, "0 bytes"],
    [1023, "1023 bytes"],
    [1024, "1 KiB"],
    [1.5 * 2 ** 30, "1.5 GiB"],
    [2 ** 53, "8 PiB"],
  ])("%i bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

test("what a replica holds covers what another wants if it is as much of each", () => {
  const holding = { cpuMilli: 1000, gpuMilli: 500, memoryBytes: 100, custom: { tpu: 2 } };
  expect(covers(holding, holding)).toBe(true);
  expect(covers(holding, { cpuMilli: 1000, gpuMilli: 0, memoryBytes: 0 })).toBe(true);
  const more: readonly Partial<Resources>[] = [
    { cpuMilli: 1001 },
    { gpuMilli: 501 },
    { memoryBytes: 101 },
    { custom: { tpu: 3 } },
    { custom: { other: 1 } },
  ];
  for (const one of more) expect(covers(holding, { ...holding, ...one })).toBe(false);
});
