import { realpath } from "node:fs/promises";
import type { Clock } from "../clock/clock.ts";
import type { Config } from "../config/config.ts";
import { detectCapacity } from "../engine/local/capacity.ts";
import { Cgroups } from "../engine/local/cgroups.ts";
import { LocalEngine } from "../engine/local/local-engine.ts";
import type { Log } from "../log/log.ts";
import { shipped } from "../shipped.ts";
import type { Mirror } from "../store/mirror.ts";

export interface MachineParts {
  readonly config: Pick<Config, "dataDir" | "numCpus" | "numGpus" | "custom">;
  readonly mirror: Mirror;
  /** Must be opened before any other process is started, which would prevent it. */
  readonly cgroups: Cgroups | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** The kernel's memory limits. Undefined: this process may not set them. */
export async function openCgroups(dataDir: string): Promise<Cgroups | undefined> {
  return Cgroups.open(await realpath(dataDir));
}

/** The engine that runs replicas as processes of this machine. */
export async function openMachine({ config, mirror, cgroups, clock, log }: MachineParts): Promise<LocalEngine> {
  const { dataDir, numCpus, numGpus, custom } = config;
  const capacity = await detectCapacity({
    ...(numCpus === undefined ? {} : { cpus: numCpus }),
    ...(numGpus === undefined ? {} : { gpus: numGpus }),
    custom,
    memoryByKernel: cgroups !== undefined,
  });
  return LocalEngine.open({
    dataDir,
    capacity,
    cgroups,
    clock,
    log: log.child({ room: "engine" }),
    ambientEnv: process.env,
    pythonSdk: shipped.pythonSdk,
    npmHook: shipped.npmHook,
    moduleHost: [process.execPath, shipped.moduleHost],
    neededRequirements: () => {
      const kept = [...mirror.deployments().keys()].flatMap((name) => mirror.entriesOf("revision", name));
      return kept.map(({ value }) => value.spec.runtimeEnv);
    },
  });
}
