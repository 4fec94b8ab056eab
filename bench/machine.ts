import { cpus, loadavg, totalmem } from "node:os";

/** The machine and the moment, as a list in Markdown: figures mean something only beside it. */
export function describeMachine(command: string): string {
  const [load = 0] = loadavg();
  return [
    `- CPU: ${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores`,
    `- Memory: ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `- Node: ${process.version}`,
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Command: \`${command}\``,
    `- Load before it began: ${load.toFixed(2)}${load > cpus().length / 2 ? " (**busy with other things: the figures are worse than the machine's**)" : ""}`,
  ].join("\n");
}
