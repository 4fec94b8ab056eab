import { type Life, ofLife } from "../core/lineage.ts";
import type { MirrorState } from "./mirror-state.ts";
import type { Entry, Records } from "./store.ts";

/** Identifies one life of a deployment. A deployment's record does. */
export interface Named extends Life {
  readonly spec: { readonly name: string };
}

/** The kinds whose records name the life they belong to. */
type OwnedKind = Exclude<keyof Records, "deployment">;

/**
 * The records of one deployment, without those of an earlier or later deployment of the same name.
 * Reads the state at the moment of each call.
 */
export class Lineage {
  readonly #state: MirrorState;
  readonly #life: Life;
  readonly #name: string;

  constructor(state: MirrorState, { uid, spec: { name } }: Named) {
    this.#state = state;
    this.#life = { uid };
    this.#name = name;
  }

  /** In any state, unordered. */
  replicas(): readonly Entry<"replica">[] {
    return this.#own("replica");
  }

  progress(): Entry<"progress"> | undefined {
    return this.#own("progress")[0];
  }

  /** The current change of config, or the last one. */
  change(): Entry<"change"> | undefined {
    return this.#own("change")[0];
  }

  /** The oldest first. */
  revisions(): readonly Entry<"revision">[] {
    return this.#own("revision").toSorted((a, b) => a.value.revision - b.value.revision);
  }

  revision(revision: number): Entry<"revision"> | undefined {
    return this.#own("revision").find(({ value }) => value.revision === revision);
  }

  /** The oldest first. */
  decisions(): readonly Entry<"decision">[] {
    return this.#own("decision").toSorted((a, b) => a.value.number - b.value.number);
  }

  /** The committed configs, the oldest first. */
  configs(): readonly Entry<"config">[] {
    return this.#own("config").toSorted((a, b) => a.value.generation - b.value.generation);
  }

  #own<K extends OwnedKind>(kind: K): readonly Entry<K>[] {
    return this.#state.of(kind, this.#name).filter(({ value }) => ofLife<Life>(value, this.#life) !== undefined);
  }
}
