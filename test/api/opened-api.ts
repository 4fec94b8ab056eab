import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { ControllerApi } from "../../src/api/controller-service.ts";
import type { Clock } from "../../src/clock/clock.ts";
import { realClock, realRandom } from "../../src/clock/real.ts";
import type { DeploymentRecord, ProgressRecord } from "../../src/core/deployment.ts";
import { RouteTable } from "../../src/links/route-table.ts";
import { silentLog } from "../../src/log/log.ts";
import { openSchedules } from "../../src/loops/schedules.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { apiRequestBounds } from "../../src/rpc/request-bounds.ts";
import { decoderWithin } from "../../src/rpc/request-decoder.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import type { Client } from "../../src/rpc/service.ts";
import type { BundleStore } from "../../src/store/bundle-store.ts";
import { openFolderBundles } from "../../src/store/folder-bundles.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { type DeleteWrite, partKey } from "../../src/store/store.ts";

const program = { kind: { case: "command" as const, value: { argv: ["app"] } } };
export const specOf = (name: string, more = {}) => ({ name, version: "1", program, ...more });

/** The API over a store in memory, and a client of it. */
export interface OpenedApi {
  readonly store: MemoryStore;
  readonly mirror: Mirror;
  readonly bundles: BundleStore;
  /** Where the bundles are. */
  readonly bundlesFolder: string;
  readonly api: ControllerApi;
  readonly controller: Client<typeof ControllerService>;
  /** Where it listens, for clients of another kind. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * With a store that another API has too, it is as after a restart, or as with two controllers.
 * `clock` is that of the handlers.
 */
export async function openApi(shared?: MemoryStore, clock: Clock = realClock): Promise<OpenedApi> {
  const store = shared ?? new MemoryStore({ clock: realClock });
  const folder = await mkdtemp(join(tmpdir(), "drover-api-"));
  const mirror = await Mirror.open({ store, clock: realClock, log: silentLog });
  const observed = { replica: () => undefined, deployment: () => ({ ongoing: 0, queued: 0 }), pid: () => 0 };
  const room = () => ({ kind: "ledger", node: "here", capacity: { cpuMilli: 4_000, gpuCount: 1, memoryBytes: 1_000 } }) as const;
  const logs = async function* (replicaId: string) {
    yield { replicaId, stream: "stdout" as const, line: `${replicaId} speaks` };
  };
  const contact = () => ({ routable: true, silent: false, invocable: true, services: [] });
  const routes = new RouteTable({ mirror, contact, reported: () => undefined });
  mirror.subscribe((event) =>
    event.kind === "reset" ? routes.reset() : event.deployment !== undefined && routes.changed(event.deployment),
  );
  const bundlesFolder = join(folder, "bundles");
  const bundles = await openFolderBundles({ folder: bundlesFolder, clock });
  const options = { store, mirror, bundles, observed, runsImages: false };
  const api = new ControllerApi({ ...options, routes, room, logs, openSchedules, clock, random: realRandom });
  const server = new RpcServer({
    implementations: [api.implementation],
    requestDecoder: decoderWithin(apiRequestBounds),
    log: silentLog,
    clock: realClock,
  });
  const address = await server.listen(`unix:${join(folder, "s")}`);
  const channel = new Channel(address);
  return {
    store,
    mirror,
    bundles,
    bundlesFolder,
    api,
    controller: channel.client(ControllerService),
    address,
    close: async () => {
      channel.close();
      api.close();
      await server.close(0);
      await mirror.close();
      await bundles.close();
      if (shared === undefined) await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

export async function recordOf(store: MemoryStore, name: string): Promise<DeploymentRecord> {
  const record = (await store.get("deployment", name))?.value;
  if (record === undefined) throw new Error("no deployment");
  return record;
}

/** Says of a deployment what the reconcile loop would. */
export async function noteHealthy(store: MemoryStore, name: string, healthyRevisions: readonly number[]): Promise<void> {
  const entry = await store.get("progress", name);
  const { uid, generation, revision } = await recordOf(store, name);
  const value: ProgressRecord = {
    uid,
    observedGeneration: generation,
    revision,
    failedStarts: 0,
    everRan: true,
    everStable: true,
    progressedAtMs: 0,
    settled: { revision, target: 1 },
    healthyRevisions,
  };
  await store.commit([{ put: "progress", key: name, version: entry?.version ?? 0, value }]);
}

/** Removes a deployment with these revisions, and leaves all else that is known of it. */
export async function erase(store: MemoryStore, name: string, ...revisions: readonly number[]): Promise<void> {
  const version = (await store.get("deployment", name))?.version ?? 0;
  const writes: DeleteWrite[] = [{ delete: "deployment", key: name, version }];
  for (const revision of revisions) {
    const key = partKey(name, revision);
    writes.push({ delete: "revision", key, version: (await store.get("revision", key))?.version ?? 0 });
  }
  await store.commit(writes);
}
