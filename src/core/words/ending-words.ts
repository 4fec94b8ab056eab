import type { Ending, InstallProblem, Preparing } from "../ending.ts";
import { formatBytes } from "../resources.ts";
import { bytes, plural, seconds } from "./phrases.ts";

/** How a process ended. */
export function endingInWords(ending: Ending): string {
  switch (ending.kind) {
    case "exit":
      return `exit code ${ending.code}`;
    case "signal":
      return `signal ${ending.signal}`;
    case "failedToStart":
      return `could not be started: ${ending.why}`;
    case "packagesFailed": {
      const room = ending.freeBytes === undefined ? "" : `; only ${formatBytes(ending.freeBytes)} are free on the disk`;
      return `could not get its packages: ${installProblem(ending.problem)}${room}`;
    }
    case "overMemory": {
      const bound = bytes(ending.boundBytes, "not known");
      if (ending.usedBytes === undefined) return `needed more than its memory_bytes of ${bound}`;
      return `used ${formatBytes(ending.usedBytes)} of memory, and its memory_bytes is ${bound}`;
    }
    case "machineOutOfMemory":
      return "the memory of the machine, or of the whole service, was used up";
    case "heapFull":
      return `its heap is full: a module may use 3/4 of its memory_bytes of ${bytes(ending.boundBytes, "an unknown size")}`;
    case "neverStarted":
      return "the controller ended before it was started";
    case "stoppedBeforeStart":
      return "stopped before it was started";
    case "unknown":
      return "its process is gone";
  }
}

function installProblem(problem: InstallProblem): string {
  switch (problem.kind) {
    case "toolEnded":
      return `${problem.tool} ended with ${endingInWords(problem.end)}`;
    case "toolNotFound":
      return `${problem.program} was not found on the PATH${problem.program === "uv" ? withoutUv : ""}`;
    case "toolNotRun":
      return `${problem.tool} could not be run: ${problem.why}`;
    case "late":
      return `${problem.tool} did not finish within ${seconds(problem.withinMs)}`;
    case "noPython":
      return "its Python packages need a working python3 on the PATH";
    case "unwanted":
      return "they are no longer needed";
    case "system":
      return problem.why;
  }
}

const withoutUv = "; a uv.lock needs it: install uv for the controller, or name a requirements.txt or pylock.toml as the lockfile";

/** What is being prepared before a process can start. */
export function preparingInWords({ packages, lockfile }: Preparing): string {
  if (packages === undefined) return "unpacking the bundle";
  if (lockfile === undefined) return `installing ${plural(packages, "package")}`;
  return `installing the packages of ${lockfile}${packages > 0 ? ` and ${plural(packages, "other package")}` : ""}`;
}
