import type { Mirror } from "../mirror.ts";
import { kinds, type Write } from "../store.ts";

/**
 * Deletes a deployment and every record that belongs to it, including those of earlier lives of its
 * name. The kinds come from the store's table, so that a new kind cannot be forgotten.
 */
export function eraseWrites(mirror: Mirror, deployment: string): readonly Write[] {
  return kinds.flatMap((kind) => mirror.entriesOf(kind, deployment).map(({ key, version }): Write => ({ delete: kind, key, version })));
}
