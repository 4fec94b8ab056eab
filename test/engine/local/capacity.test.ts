import { chmod, writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { detectCapacity } from "../../../src/engine/local/capacity.ts";
import { testFolder } from "./engine-harness.ts";

/** Puts a program that does `script` in the place of the driver's. */
async function driver(script: string): Promise<void> {
  const folder = await testFolder();
  const file = join(folder, "nvidia-smi");
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  vi.stubEnv("PATH", `${folder}:${process.env.PATH}`);
}

test("the machine's CPUs and memory are found, and its GPUs as its driver lists them", async () => {
  await driver("echo 'GPU 0: A (UUID: 1)'; echo '  MIG 1g'; echo 'GPU 1: B (UUID: 2)'");
  const capacity = await detectCapacity({});
  vi.unstubAllEnvs();
  expect(capacity).toMatchObject({ cpuMilli: availableParallelism() * 1000, gpuCount: 2 });
  expect(capacity.memoryBytes).toBeGreaterThan(0);
  expect(capacity.memoryBytes).toBeLessThanOrEqual(totalmem());
});

test("of the GPUs those count that CUDA_VISIBLE_DEVICES leaves to us", async () => {
  for (const [setting, count] of [
    ["2,3,5", 3],
    ["", 0],
  ] as const) {
    vi.stubEnv("CUDA_VISIBLE_DEVICES", setting);
    const { gpuCount } = await detectCapacity({});
    vi.unstubAllEnvs();
    expect(gpuCount).toBe(count);
  }
});

test("a driver that fails has no GPUs", async () => {
  await driver("echo 'GPU 0: A'; exit 9");
  const capacity = await detectCapacity({});
  vi.unstubAllEnvs();
  expect(capacity.gpuCount).toBe(0);
});

test("a given amount is not detected", async () => {
  expect(await detectCapacity({ cpus: 0.5, gpus: 8 })).toMatchObject({ cpuMilli: 500, gpuCount: 8 });
});
