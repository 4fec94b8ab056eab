/**
 * One life of a deployment's name. A deployment that is made later under the same name has another
 * uid.
 */
export interface Life {
  readonly uid: string;
}

/** The record, if it belongs to this life of its deployment's name. */
export function ofLife<T extends Life>(record: T | undefined, { uid }: Life): T | undefined {
  return record?.uid === uid ? record : undefined;
}
