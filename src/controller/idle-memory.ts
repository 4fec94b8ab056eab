import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "../clock/clock.ts";

/** How often it is looked whether memory can be given back. */
const lookMs = 10_000;
/** The least garbage that is worth a collection. */
const garbageBytesMin = 64 * 2 ** 20;
/** With more that is in use, a collection would hold up requests for too long. */
const liveBytesMax = 128 * 2 ** 20;
/** The share of an interval that the event loop may have worked, for the process to count as idle. */
const idleUtilizationMax = 0.1;

/** The memory of this process. */
export interface ProcessMemory {
  /** What the heap holds, and what it holds outside, in use or not. */
  readonly heldBytes: () => number;
  /** The share of the time since the last call that the event loop worked, 0 to 1. */
  readonly utilization: () => number;
  readonly collect: () => void;
}

/**
 * Gives memory back to the system after a wave of work. V8 collects garbage when more memory is
 * asked for. A process that has become idle asks for none, and would keep the memory of the wave.
 * Ends when the signal aborts.
 */
export async function giveMemoryBack(clock: Clock, signal: AbortSignal, memory: ProcessMemory = thisProcess()): Promise<void> {
  let liveBytes = 0;
  while (!signal.aborted) {
    await clock.sleep(lookMs, signal);
    const isIdle = memory.utilization() <= idleUtilizationMax;
    if (signal.aborted || !isIdle || liveBytes > liveBytesMax || memory.heldBytes() < liveBytes + garbageBytesMin) continue;
    memory.collect();
    liveBytes = memory.heldBytes();
  }
}

function thisProcess(): ProcessMemory {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  let before = performance.eventLoopUtilization();
  return {
    heldBytes: () => {
      const { heapTotal, external } = process.memoryUsage();
      return heapTotal + external;
    },
    utilization: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      return utilization;
    },
    collect,
  };
}
