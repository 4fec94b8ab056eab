import type { DeploymentRecord } from "../../src/core/deployment.ts";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import type { Write } from "../../src/store/store.ts";
import { programText, revisionKey } from "./invariants/exactness.ts";

/** What was written, kept apart from the store: the invariants are checked against it. */
export class Ledger {
  readonly deployments = new Map<string, DeploymentRecord>();
  readonly replicas = new Map<string, ReplicaRecord>();
  /** Every object as JSON, by kind and key. */
  readonly objects = new Map<string, string>();
  /** `uid/revision` of which a replica ever ran. */
  readonly everRan = new Set<string>();
  /** `uid/version` that was once all there was, and running. */
  readonly everWhole = new Set<string>();
  /** What each revision runs, as it was first written, by its `revisionKey`. */
  readonly programs = new Map<string, string>();
  position = 0;
  /** Every deployment as it was, in the order of time. */
  readonly #past = new Map<string, { readonly position: number; readonly record: DeploymentRecord | undefined }[]>();

  /**
   * `lookPosition`: where the writer's tick began; any target since then may be the one that it
   * used.
   */
  apply(writes: readonly Write[], atMs: number, lookPosition = this.position): void {
    for (const [index, write] of this.inTime(writes, atMs).entries()) {
      this.position += 1;
      const kind = "put" in write ? write.put : write.delete;
      const id = `${kind}/${write.key}`;
      const written = writes[index];
      if (written !== undefined && "put" in written) this.objects.set(id, JSON.stringify(written.value));
      else this.objects.delete(id);
      if (kind === "deployment") this.#keepDeployment(write.key, "put" in write ? (write.value as DeploymentRecord) : undefined);
      if (kind === "replica") this.#keepReplica(write.key, "put" in write ? (write.value as ReplicaRecord) : undefined);
    }
    const touched = writes.flatMap((write) => ("put" in write ? (write.put === "replica" ? write.value.deployment : write.key) : []));
    for (const name of new Set(touched)) this.#noteWhole(name, lookPosition);
  }

  #noteWhole(name: string, lookPosition: number): void {
    const all = this.of(name).filter(({ state }) => state === "RUNNING" || state === "STARTING");
    for (const deployment of this.since(name, lookPosition)) {
      if (deployment === undefined || all.length === 0 || all.length !== (deployment.autoscaled?.target ?? deployment.spec.numReplicas))
        continue;
      const whole = all.every(({ state, revision }) => state === "RUNNING" && revision === deployment.revision);
      if (whole) this.everWhole.add(`${deployment.uid}/${deployment.spec.version}`);
    }
  }

  /**
   * The writes with the times of replicas by the world's clock, as each writer has a clock of its
   * own: what is new in a record counts from `atMs`, when the writer's tick began.
   */
  inTime(writes: readonly Write[], atMs: number): readonly Write[] {
    return writes.map((write) => {
      if (!("put" in write) || write.put !== "replica") return write;
      const json = this.objects.get(`replica/${write.key}`);
      const before: Partial<ReplicaRecord> = json === undefined ? {} : JSON.parse(json);
      const known = this.replicas.get(write.key);
      const since = (name: "createdAtMs" | "sinceMs" | "readyAtMs") => (write.value[name] === before[name] ? known?.[name] : atMs) ?? atMs;
      const { readyAtMs } = write.value;
      const times = { createdAtMs: since("createdAtMs"), sinceMs: since("sinceMs") };
      return { ...write, value: { ...write.value, ...times, ...(readyAtMs !== undefined && { readyAtMs: since("readyAtMs") }) } };
    });
  }

  of(deployment: string): readonly ReplicaRecord[] {
    return [...this.replicas.values()].filter((replica) => replica.deployment === deployment);
  }

  /**
   * The deployment as it was at a position, and as it has been since: a tick that began there may
   * use any of them.
   */
  since(name: string, position: number): readonly (DeploymentRecord | undefined)[] {
    const past = this.#past.get(name) ?? [];
    const first = past.findLastIndex((entry) => entry.position <= position);
    return [...(first < 0 ? [undefined] : []), ...past.slice(Math.max(0, first)).map(({ record }) => record)];
  }

  #keepDeployment(name: string, record: DeploymentRecord | undefined): void {
    if (record === undefined) this.deployments.delete(name);
    else this.deployments.set(name, record);
    if (record !== undefined && !this.programs.has(revisionKey(record))) this.programs.set(revisionKey(record), programText(record.spec));
    this.#past.set(name, [...(this.#past.get(name) ?? []), { position: this.position, record }]);
  }

  #keepReplica(id: string, record: ReplicaRecord | undefined): void {
    if (record === undefined) this.replicas.delete(id);
    else this.replicas.set(id, record);
    if (record?.state === "RUNNING") this.everRan.add(`${record.uid}/${record.revision}`);
  }
}
