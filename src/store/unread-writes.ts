import { type Kind, type KindEntry, kindOf, type StoreContent, type Write } from "./store.ts";

/** How many writes that were not read back are kept for a store that comes back empty. */
const unreadMax = 1_000;

/** What this process wrote, and has not read back as changes yet. */
export class UnreadWrites {
  /** The oldest first. */
  #writes: readonly { readonly write: Write; readonly position: number }[] = [];

  add(writes: readonly Write[], positions: readonly number[]): void {
    const added = writes.map((write, i) => ({ write, position: positions[i] ?? 0 }));
    this.#writes = [...this.#writes, ...added].slice(-unreadMax);
  }

  /** All changes up to this position were read. */
  readUpTo(position: number): void {
    if (this.#writes.length > 0) this.#writes = this.#writes.filter((one) => one.position > position);
  }

  /**
   * The state with these writes. Up to the first gap only: what another process wrote in between is
   * not known.
   */
  over(content: StoreContent): StoreContent {
    const later = this.#writes.filter(({ position }) => position > content.position);
    const known = later.filter(({ position }, i) => position === content.position + i + 1);
    if (known.length === 0) return content;
    const changed = new Map(known.map((one) => [idOf(kindOf(one.write), one.write.key), one]));
    return { ...content, entries: changedEntries(content, changed), position: content.position + known.length };
  }
}

function* changedEntries(
  { entries }: StoreContent,
  changed: ReadonlyMap<string, { readonly write: Write; readonly position: number }>,
): Iterable<KindEntry> {
  for (const object of entries) if (!changed.has(idOf(object.kind, object.entry.key))) yield object;
  for (const { write, position } of changed.values())
    if ("put" in write) yield { kind: write.put, entry: { key: write.key, version: position, value: write.value } } as KindEntry;
}

const idOf = (kind: Kind, key: string): string => `${kind} ${key}`;
