import { open, statfs } from "node:fs/promises";
import type { InstallProblem } from "../../core/ending.ts";
import { readable } from "./lines.ts";
import type { ToolResult } from "./run-tool.ts";

/** Bounds on the tool's last lines in a {@link BuildError}. */
const linesMax = 20;
const lineBytesMax = 1_000;
const tailBytesMax = 64 * 1024;
/** With less free disk space than this, a failure names the disk as a possible cause. */
const littleBytes = 256 * 1024 * 1024;

/** How npm is used, which npm prints after the reason for which it does not run. */
const usageOfNpm = /^npm error [^\n]*\nnpm error\s*\nnpm error Usage:\n[\s\S]*/m;
/** Says where a file of this machine is. */
const logOfNpm = /^npm error A complete log of this run/;

const isOfInterest = (line: string): boolean => !/^(?:npm error)?\s*$/.test(line) && !logOfNpm.test(line);

/** Why an environment could not be built, with the tool's last lines. */
export class BuildError extends Error {
  readonly problem: InstallProblem;
  readonly lines: readonly string[];
  /** Set if too little free disk space may be the cause. */
  readonly freeBytes: number | undefined;

  constructor(problem: InstallProblem, lines: readonly string[] = [], freeBytes?: number) {
    super(`packages could not be installed: ${problem.kind}`);
    this.problem = problem;
    this.lines = lines;
    this.freeBytes = freeBytes;
  }
}

/** The problem of a tool that did not succeed. */
export function problemOf(tool: string, result: Exclude<ToolResult, { readonly kind: "done" }>, withinMs: number): InstallProblem {
  switch (result.kind) {
    case "ended":
      return { kind: "toolEnded", tool, end: result.end };
    case "late":
      return { kind: "late", tool, withinMs };
    case "unwanted":
      return result;
    case "notFound":
      return { kind: "toolNotFound", program: result.program };
    case "notRun":
      return { kind: "toolNotRun", tool, why: result.why };
  }
}

/**
 * The free disk space if it is low. A tool cannot always report a full disk, because its output is
 * on the same disk.
 */
export async function littleRoom(path: string): Promise<number | undefined> {
  const free = await statfs(path).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Number.POSITIVE_INFINITY,
  );
  return free < littleBytes ? free : undefined;
}

/** The last lines that the tools printed, made readable. */
export async function lastLines(path: string): Promise<readonly string[]> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, tailBytesMax));
    await file.read(buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer.toString().replace(usageOfNpm, "").split("\n");
    return lines
      .filter(isOfInterest)
      .slice(-linesMax)
      .map((line) => readable(line, lineBytesMax));
  } finally {
    await file.close();
  }
}
