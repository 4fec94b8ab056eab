import type { StatusError } from "../core/errors.ts";
import type { HeaderFields } from "./sides.ts";

/** What is known of a call before it is routed. */
export interface Arrival {
  /** `/package.Service/Method`, as the caller wrote it. */
  readonly path: string;
  /** The request's headers, with gRPC's metadata such as `authorization`. */
  readonly headers: Readonly<HeaderFields>;
}

/** What the door says of a call. */
export type Admission = { readonly kind: "admitted" } | { readonly kind: "refused"; readonly error: StatusError };

export const admitted: Admission = { kind: "admitted" };

/**
 * Where a call is admitted or refused, before the gateway asks what it is for: the place for a
 * check of tokens. Every gRPC call passes it, those for the gateway's own services included. A
 * refused call reaches no dispatcher and no replica, and none of its bytes are read.
 */
export interface Door {
  /** Answers at once: what it needs to know is in memory. */
  admit(call: Arrival): Admission;
}

/** The door of a gateway that anybody may use. */
export const openDoor: Door = { admit: () => admitted };
