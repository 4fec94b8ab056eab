import type { Mirror } from "../mirror.ts";
import { kinds, type Write } from "../store.ts";

/**
 * Removes a deployment and every record that belongs to it. The kinds come from the store's table, so that a new kind
 * cannot be forgotten. Records of an earlier life of the name go with it.
 */
export function eraseWrites(mirror: Mirror, deployment: string): readonly Write[] {
  return kinds.flatMap((kind) => mirror.entriesOf(kind, deployment).map(({ key, version }): Write => ({ delete: kind, key, version })));
}
