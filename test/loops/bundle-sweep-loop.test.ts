import { expect, test } from "vitest";
import { silentLog } from "../../src/log/log.ts";
import { BundleSweepLoop } from "../../src/loops/bundle-sweep-loop.ts";
import type { Mirror } from "../../src/store/mirror.ts";
import { HandClock } from "../kit/hand-clock.ts";

const specWith = (bundle: string | undefined) => ({ spec: { runtimeEnv: { bundle } } });

function loopOf({ epoch, available = true }: { epoch: number | undefined; available?: boolean }) {
  const sweeps: ReadonlySet<string>[] = [];
  const mirror = {
    available,
    deployments: () => [["greeter", { value: specWith("sha256:new") }]],
    entriesOf: () => [{ value: specWith("sha256:old") }, { value: specWith(undefined) }],
  } as unknown as Mirror;
  const bundles = {
    sweep: async (needed: ReadonlySet<string>) => {
      sweeps.push(needed);
      return { bundles: 0, files: 0 };
    },
  };
  const loop = new BundleSweepLoop({ mirror, bundles, epoch: () => epoch, clock: new HandClock(), log: silentLog });
  return { loop, sweeps };
}

test("the bundles of deployments and of their kept revisions are needed", async () => {
  const { loop, sweeps } = loopOf({ epoch: 1 });
  await loop.sweep();
  expect(sweeps).toEqual([new Set(["sha256:new", "sha256:old"])]);
});

test("a controller that does not lead, or does not know the state, sweeps nothing", async () => {
  for (const { loop, sweeps } of [loopOf({ epoch: undefined }), loopOf({ epoch: 1, available: false })]) {
    await loop.sweep();
    expect(sweeps).toEqual([]);
  }
});
