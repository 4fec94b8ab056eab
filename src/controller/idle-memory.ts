import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "../clock/clock.ts";

/** How often it is looked whether memory can be given back. */
const lookMs = 10_000;
/** The least garbage that is worth a collection. */
const garbageBytesMin = 64 * 2 ** 20;
/** With more that is in use, a collection would hold up requests for too long. */
const liveBytesMax = 128 * 2 ** 20;
/** The most CPU time of an interval for the process to count as idle. */
const idleCpuMsMax = 500;

/** The memory of this process. */
export interface ProcessMemory {
  /** What the heap holds, and what it holds outside, in use or not. */
  readonly heldBytes: () => number;
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
  let liveBytes = 0;
  while (!signal.aborted) {
    await clock.sleep(lookMs, signal);
    const isIdle = memory.cpuMs() <= idleCpuMsMax;
    if (signal.aborted || !isIdle || liveBytes > liveBytesMax || memory.heldBytes() < liveBytes + garbageBytesMin) continue;
    memory.collect();
    liveBytes = memory.heldBytes();
  }
}

function thisProcess(): ProcessMemory {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  let before = process.cpuUsage();
  return {
    heldBytes: () => {
      const { heapTotal, external } = process.memoryUsage();
      return heapTotal + external;
    },
    cpuMs: () => {
      const { user, system } = process.cpuUsage(before);
      before = process.cpuUsage();
      return (user + system) / 1_000;
    },
    collect,
  };
}
