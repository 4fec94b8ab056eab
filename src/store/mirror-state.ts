import { deploymentOf } from "./deployment-of.ts";
import { type Entry, type Kind, kinds, type PartKind, placeOf, type StateChange } from "./store.ts";

type Objects = { readonly [K in Kind]: Map<string, Entry<K>> };

/** All objects at one position, indexed for readers. */
export class MirrorState {
  position: number;
  readonly #objects = Object.fromEntries(kinds.map((kind) => [kind, new Map()])) as unknown as Objects;
  /** For kinds of which a deployment has many objects: the objects by deployment, then by key. */
  readonly #parts = new Map<PartKind, Map<string, Map<string, Entry>>>();

  constructor(position: number) {
    this.position = position;
  }

  /** Every object of the kind by its key. */
  all<K extends Kind>(kind: K): ReadonlyMap<string, Entry<K>> {
    return this.#objects[kind];
  }

  get<K extends Kind>(kind: K, key: string): Entry<K> | undefined {
    return this.#objects[kind].get(key);
  }

  /** The objects of the kind that belong to deployments of that name, in any life of it. */
  of<K extends Kind>(kind: K, deployment: string): readonly Entry<K>[] {
    if (isPart(kind)) return [...(this.#parts.get(kind)?.get(deployment)?.values() ?? [])] as readonly Entry[] as readonly Entry<K>[];
    const entry = placeOf[kind] === "name" ? this.get(kind, deployment) : undefined;
    return entry === undefined ? [] : [entry];
  }

  put<K extends Kind>(kind: K, entry: Entry<K>): void {
    if (isPart(kind)) this.#forgetPart(kind, entry.key);
    (this.#objects[kind] as Map<string, Entry<K>>).set(entry.key, entry);
    if (isPart(kind)) this.#indexPart(kind, entry as Entry as Entry<PartKind>);
  }

  /**
   * Applies a change: the state is then that of the change's position. Returns the name of the
   * deployment that the changed object belongs to, if any.
   */
  apply(change: StateChange): string | undefined {
    this.position = change.position;
    const { kind, key, value, position: version } = change;
    const entry = value === undefined ? this.get(kind, key) : { key, version, value };
    if (value === undefined) this.#delete(kind, key);
    else this.put(kind, { key, version, value });
    return entry && deploymentOf(kind, entry);
  }

  #delete(kind: Kind, key: string): void {
    if (isPart(kind)) this.#forgetPart(kind, key);
    this.#objects[kind].delete(key);
  }

  #indexPart(kind: PartKind, entry: Entry<PartKind>): void {
    const index = this.#parts.get(kind) ?? new Map<string, Map<string, Entry>>();
    const { deployment } = entry.value;
    const siblings = index.get(deployment) ?? new Map<string, Entry>();
    this.#parts.set(kind, index.set(deployment, siblings.set(entry.key, entry)));
  }

  #forgetPart(kind: PartKind, key: string): void {
    const deployment = this.get(kind, key)?.value.deployment;
    if (deployment === undefined) return;
    const index = this.#parts.get(kind);
    const siblings = index?.get(deployment);
    siblings?.delete(key);
    if (siblings?.size === 0) index?.delete(deployment);
  }
}

const isPart = (kind: Kind): kind is PartKind => placeOf[kind] === "part";
