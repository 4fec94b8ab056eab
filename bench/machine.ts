import { cpus, totalmem } from "node:os";
import { cpuMsOfEnded } from "./process-facts.ts";

/** If other programs use more than this share of the machine's CPU time, the figures are marked. */
const disturbedShare = 0.05;

/** The machine and the date, as a list in Markdown: figures mean nothing without them. */
export function describeMachine(command: string): string {
  return [
    `- CPU: ${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores`,
    `- Memory: ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `- Node: ${process.version}`,
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Command: \`${command}\``,
  ].join("\n");
}

/**
 * Begins to measure; the returned function says what share of the machine's CPU time other programs
 * took. Call it when our children have ended.
 */
export function watchOthers(): () => string {
  const sample = () => ({ busyMs: busyMs(), oursMs: cpuMsOfEnded(), atMs: performance.now() });
  const before = sample();
  return () => {
    const after = sample();
    const othersMs = after.busyMs - before.busyMs - (after.oursMs - before.oursMs);
    const share = Math.max(0, othersMs / ((after.atMs - before.atMs) * cpus().length));
    const warning = share > disturbedShare ? ": **the machine was busy, and these figures are worse than its own**" : "";
    return `Other programs took ${Math.round(share * 100)} % of the machine's CPU time during the measurement${warning}.`;
  };
}

/** The CPU time of all cores since the machine started, milliseconds. */
function busyMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}
