import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "../clock/clock.ts";

/** How often it checks whether memory can be given back. */
const checkMs = 10_000;
/** What was collected goes back to the system within this time. */
const settleMs = 1_000;
/** The least growth since the process was last at rest that is worth a collection. */
const growthBytesMin = 64 * 2 ** 20;
/** With more at rest, a collection would hold up requests for too long. */
const restingBytesMax = 384 * 2 ** 20;
/** The most CPU time of an interval for the process to count as idle. */
const idleCpuMsMax = 500;

/** The memory of this process. */
export interface ProcessMemory {
  readonly residentBytes: () => number;
  /** The CPU time of this process since the last call, milliseconds. */
  readonly cpuMs: () => number;
  readonly collect: () => void;
}

/**
 * Gives memory back to the system after a wave of work. V8 collects garbage when more memory is
 * asked for. A process that has become idle asks for none, and would keep the memory of the wave.
 * Ends when the signal aborts.
 */
export async function giveMemoryBack(clock: Clock, signal: AbortSignal, memory: ProcessMemory = thisProcess()): Promise<void> {
  let restingBytes = Number.POSITIVE_INFINITY;
  while (!signal.aborted) {
    await clock.sleep(checkMs, signal);
    const isIdle = memory.cpuMs() <= idleCpuMsMax;
    const residentBytes = memory.residentBytes();
    restingBytes = Math.min(restingBytes, residentBytes);
    if (signal.aborted || !isIdle || restingBytes > restingBytesMax || residentBytes < restingBytes + growthBytesMin) continue;
    memory.collect();
    await clock.sleep(settleMs, signal);
    restingBytes = memory.residentBytes();
  }
}

function thisProcess(): ProcessMemory {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  let before = process.cpuUsage();
  return {
    residentBytes: () => process.memoryUsage.rss(),
    cpuMs: () => {
      const { user, system } = process.cpuUsage(before);
      before = process.cpuUsage();
      return (user + system) / 1_000;
    },
    collect,
  };
}
