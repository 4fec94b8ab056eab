import type { Entry, Kind, StateChange } from "./store.ts";

/** The kinds of which a deployment has many. */
const parts = ["replica", "revision", "decision", "config"] as const satisfies readonly Kind[];
type Part = (typeof parts)[number];
const isPart = (kind: Kind): kind is Part => (parts as readonly Kind[]).includes(kind);

/** All objects at one position, indexed as readers need them. */
export class MirrorState {
  position: number;
  readonly deployment = new Map<string, Entry<"deployment">>();
  readonly progress = new Map<string, Entry<"progress">>();
  readonly replica = new Map<string, Entry<"replica">>();
  readonly revision = new Map<string, Entry<"revision">>();
  readonly decision = new Map<string, Entry<"decision">>();
  readonly change = new Map<string, Entry<"change">>();
  readonly config = new Map<string, Entry<"config">>();
  readonly #parts = {
    replica: new Map<string, Map<string, Entry<"replica">>>(),
    revision: new Map<string, Map<string, Entry<"revision">>>(),
    decision: new Map<string, Map<string, Entry<"decision">>>(),
    config: new Map<string, Map<string, Entry<"config">>>(),
  };

  constructor(position: number) {
    this.position = position;
  }

  /** The replicas, or other parts, of one deployment. */
  partsOf<P extends Part>(part: P, deployment: string): readonly Entry<P>[] {
    return [...(this.#parts[part].get(deployment)?.values() ?? [])] as unknown as readonly Entry<P>[];
  }

  put<K extends Kind>(kind: K, entry: Entry<K>): void {
    if (isPart(kind)) this.#forgetPart(kind, entry.key);
    (this[kind] as ReadonlyMap<string, Entry> as Map<string, Entry>).set(entry.key, entry as Entry);
    if (isPart(kind)) this.#indexPart(kind, entry as unknown as Entry<Part>);
  }

  /** Makes the state that of the change's position. */
  apply(change: StateChange): void {
    this.position = change.position;
    const { kind, key, value, position: version } = change;
    if (value === undefined) this.#delete(kind, key);
    else this.put(kind, { key, version, value } as Entry<typeof kind>);
  }

  #delete(kind: Kind, key: string): void {
    if (isPart(kind)) this.#forgetPart(kind, key);
    this[kind].delete(key);
  }

  #indexPart(part: Part, entry: Entry<Part>): void {
    const index = this.#parts[part] as Map<string, Map<string, Entry<Part>>>;
    const { deployment } = entry.value;
    const siblings = index.get(deployment) ?? new Map<string, Entry<Part>>();
    index.set(deployment, siblings.set(entry.key, entry));
  }

  #forgetPart(part: Part, key: string): void {
    const deployment = this[part].get(key)?.value.deployment;
    if (deployment === undefined) return;
    const index = this.#parts[part] as Map<string, Map<string, Entry<Part>>>;
    const siblings = index.get(deployment);
    siblings?.delete(key);
    if (siblings?.size === 0) index.delete(deployment);
  }
}
