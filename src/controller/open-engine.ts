import { realpath } from "node:fs/promises";
import type { Clock } from "../clock/clock.ts";
import type { Config } from "../config/config.ts";
import type { BundleReader } from "../core/bundle.ts";
import { holds } from "../core/replica.ts";
import type { Engine } from "../engine/engine.ts";
import { detectCapacity } from "../engine/local/capacity.ts";
import { Cgroups } from "../engine/local/cgroups.ts";
import { LocalEngine } from "../engine/local/local-engine.ts";
import type { ControllerAddresses } from "../engine/local/replica-env.ts";
import type { Log } from "../log/log.ts";
import { shipped } from "../shipped.ts";
import type { Mirror } from "../store/mirror.ts";

/** An engine, and what only the API asks of it. */
export interface OpenedEngine {
  readonly engine: Engine;
  /** The process of a replica on this machine. Undefined: it has none here. */
  readonly pid: (replicaId: string) => number | undefined;
}

export interface EngineParts {
  readonly config: Pick<Config, "dataDir" | "numCpus" | "numGpus" | "custom" | "forgetNodes">;
  readonly mirror: Mirror;
  /** Where the bundles of programs are kept. */
  readonly bundles: BundleReader;
  /** Must be opened before any other process is started, which would prevent it. */
  readonly cgroups: Cgroups | undefined;
  /** Where replicas reach this controller. Undefined: it does not listen yet. */
  readonly controller: () => ControllerAddresses | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** The kernel's memory limits. Undefined: this process may not set them. */
export async function openCgroups(dataDir: string): Promise<Cgroups | undefined> {
  return Cgroups.open(await realpath(dataDir));
}

/** The engine that runs replicas as processes of this machine. */
export async function openEngine({ config, mirror, bundles, cgroups, controller, clock, log }: EngineParts): Promise<OpenedEngine> {
  const { dataDir, numCpus, numGpus, custom, forgetNodes } = config;
  const capacity = await detectCapacity({
    ...(numCpus === undefined ? {} : { cpus: numCpus }),
    ...(numGpus === undefined ? {} : { gpus: numGpus }),
    custom,
    memoryByKernel: cgroups !== undefined,
  });
  const engine = await LocalEngine.open({
    dataDir,
    forgetNodes,
    capacity,
    cgroups,
    clock,
    log: log.child({ room: "engine" }),
    ambientEnv: process.env,
    controller,
    pythonSdk: shipped.pythonSdk,
    npmHook: shipped.npmHook,
    moduleHost: [process.execPath, shipped.moduleHost],
    bundles,
    neededRequirements: () => {
      const kept = [...mirror.deployments().keys()].flatMap((name) => mirror.entriesOf("revision", name));
      return kept.map(({ value }) => value.spec.runtimeEnv);
    },
  });
  const room = engine.room();
  const away = [...mirror.replicas().values()].flatMap(({ value: { node, state } }) => (node === undefined || !holds(state) ? [] : node));
  for (const node of new Set(away)) {
    if (room.kind !== "ledger" || node === room.node || forgetNodes.includes(node)) continue;
    log.warn({ node }, `replicas are recorded on another node; if it is gone for good, start with --forget-node ${node}`);
  }
  return { engine, pid: (replicaId) => engine.pid(replicaId) };
}
