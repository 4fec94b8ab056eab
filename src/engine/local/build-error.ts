import type { InstallProblem } from "../../core/ending.ts";

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
