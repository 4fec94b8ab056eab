import { expect, test } from "vitest";
import { decide, firstAutoscaleState } from "../../../src/core/autoscaling/autoscale.ts";
import { defaultAutoscaling } from "../../../src/core/autoscaling-config.ts";

const config = { ...defaultAutoscaling, minReplicas: 0, maxReplicas: 100 };

test("a replica started from zero is not removed at the next tick", () => {
  let state = firstAutoscaleState(config, 0);
  const targets: number[] = [];
  let target = 0;
  for (let nowMs = 0; nowMs <= 1_400_000; nowMs += 1_000) {
    const load = nowMs >= 1_000_000 ? 20 : 0;
    const running = nowMs >= 1_010_000 ? target : 0;
    const ongoing = Math.min(load, running * 2);
    const next = decide(config, { ongoing, queued: load - ongoing, running, target, scheduledMin: 0, startupMs: 10_000 }, state, nowMs);
    state = next.state;
    if (next.decision.target !== target) targets.push(next.decision.target);
    target = next.decision.target;
  }
  expect(targets).toEqual([10]);
});
