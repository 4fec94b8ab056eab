import type { RuntimeEnv } from "../../src/core/deployment.ts";
import type { Assignment } from "../../src/engine/engine.ts";

/** What starts the command `argv` as replica `replicaId`; `more` is what differs, that of the runtime environment included. */
export function assignment(
  replicaId: string,
  argv: readonly string[],
  { workingDir = "", envVars = {}, npm = [], pip = [], bundle, lockfile, ...more }: Partial<Assignment & RuntimeEnv> = {},
): Assignment {
  return {
    replicaId,
    deployment: "echo",
    uid: "uid-1",
    revision: 3,
    program: { kind: "command", argv },
    runtimeEnv: { workingDir, envVars, npm, pip, ...(bundle && { bundle }), ...(lockfile && { lockfile }) },
    initArgs: "{}",
    maxOngoingRequests: 5,
    messageBytesMax: 2 ** 26,
    resources: { cpuMilli: 1000, gpuMilli: 0, memoryBytes: 0 },
    gpuIndexes: [],
    token: "secret",
    ...more,
  };
}
