import { cpus, totalmem } from "node:os";
import { cpuMsOfEnded } from "./process-facts.ts";

/** From which share of the machine's CPU time, used by other programs, figures are not the machine's. */
const disturbedShare = 0.05;

/** The machine and the moment, as a list in Markdown: figures mean something only beside it. */
export function describeMachine(command: string): string {
  return [
    `- CPU: ${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores`,
    `- Memory: ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `- Node: ${process.version}`,
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Command: \`${command}\``,
  ].join("\n");
}

/** Watches from now on; the answer tells which share of the machine's CPU time programs took that are none of our children. To be asked once those have ended. */
export function watchOthers(): () => string {
  const look = () => ({ busyMs: busyMs(), oursMs: cpuMsOfEnded(), atMs: performance.now() });
  const before = look();
  return () => {
    const after = look();
    const othersMs = after.busyMs - before.busyMs - (after.oursMs - before.oursMs);
    const share = Math.max(0, othersMs / ((after.atMs - before.atMs) * cpus().length));
    const warning = share > disturbedShare ? ": **it was busy, and these figures are worse than its own**" : "";
    return `Other programs took ${Math.round(share * 100)} % of the machine's CPU time meanwhile${warning}.`;
  };
}

/** What all cores have worked since the machine started, milliseconds. */
function busyMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}
