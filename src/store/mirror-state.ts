import type { Change, Entry, Kind } from "./store.ts";

/** All objects at one revision, indexed as readers need them. */
export class MirrorState {
  revision: number;
  readonly deployment = new Map<string, Entry<"deployment">>();
  readonly progress = new Map<string, Entry<"progress">>();
  readonly replica = new Map<string, Entry<"replica">>();
  readonly #replicasOf = new Map<string, Map<string, Entry<"replica">>>();

  constructor(revision: number) {
    this.revision = revision;
  }

  replicasOf(deployment: string): readonly Entry<"replica">[] {
    return [...(this.#replicasOf.get(deployment)?.values() ?? [])];
  }

  put<K extends Kind>(kind: K, entry: Entry<K>): void {
    if (kind === "replica") this.#forgetReplica(entry.key);
    (this[kind] as ReadonlyMap<string, Entry> as Map<string, Entry>).set(entry.key, entry as Entry);
    if (kind === "replica") this.#indexReplica(entry as Entry<"replica">);
  }

  /** Makes the state that of the change's revision. */
  apply(change: Change): void {
    this.revision = change.revision;
    const { kind, key, value, revision: version } = change;
    if (value === undefined) this.#delete(kind, key);
    else this.put(kind, { key, version, value } as Entry<typeof kind>);
  }

  #delete(kind: Kind, key: string): void {
    if (kind === "replica") this.#forgetReplica(key);
    this[kind].delete(key);
  }

  #indexReplica(entry: Entry<"replica">): void {
    const { deployment } = entry.value;
    const siblings = this.#replicasOf.get(deployment) ?? new Map();
    this.#replicasOf.set(deployment, siblings.set(entry.key, entry));
  }

  #forgetReplica(id: string): void {
    const deployment = this.replica.get(id)?.value.deployment;
    if (deployment === undefined) return;
    const siblings = this.#replicasOf.get(deployment);
    siblings?.delete(id);
    if (siblings?.size === 0) this.#replicasOf.delete(deployment);
  }
}
