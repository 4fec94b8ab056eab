import { invalid, refusal, type StatusError } from "../../core/errors.ts";
import { headerBytesMax, headerPairsMax, headersOfConnections, pairBytes } from "../../core/traffic/header-rules.ts";
import type { Place } from "../place.ts";
import type { HeaderFields } from "../sides.ts";

/** Why headers or trailers of a call are not passed on. */
export type BlockFault =
  | { readonly kind: "tooManyPairs"; readonly pairs: number }
  | { readonly kind: "tooManyBytes"; readonly bytes: number }
  /** HTTP/2 keeps this name, with this value, for connections. */
  | { readonly kind: "notAllowed"; readonly name: string };

/** What keeps these fields from being passed on. Undefined: nothing. */
export function faultOf(fields: HeaderFields): BlockFault | undefined {
  let pairs = 0;
  let bytes = 0;
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined) continue;
    if (headersOfConnections.has(name) || (name === "te" && value !== "trailers")) return { kind: "notAllowed", name };
    const values = typeof value === "string" ? 1 : value.length;
    pairs += values;
    bytes += values * (name.length + pairBytes);
    if (typeof value === "string") bytes += value.length;
    else for (const one of value) bytes += one.length;
  }
  if (pairs > headerPairsMax) return { kind: "tooManyPairs", pairs };
  return bytes > headerBytesMax ? { kind: "tooManyBytes", bytes } : undefined;
}

const bounds = `a call may have ${headerPairsMax} pairs and ${headerBytesMax} bytes of it, with ${pairBytes} for each pair`;

function inWords(fault: Exclude<BlockFault, { kind: "notAllowed" }>): string {
  return fault.kind === "tooManyPairs" ? `${fault.pairs} pairs` : `${fault.bytes} bytes`;
}

/** The error of a call whose request headers are not passed on. */
export function requestFault(fault: BlockFault): StatusError {
  if (fault.kind === "notAllowed") return invalid([{ field: fault.name, description: "HTTP/2 does not allow this header: remove it" }]);
  return refusal("METADATA_TOO_LARGE", `the request has ${inWords(fault)} of metadata: ${bounds}`);
}

/** The error of a call whose response headers or trailers are not passed on. */
export function responseFault(fault: BlockFault, place: Place | undefined): StatusError {
  const who = place === undefined ? "the gateway" : `replica ${place.endpoint.replicaId}`;
  const metadata: Record<string, string> = place === undefined ? {} : { deployment: place.deployment, replica: place.endpoint.replicaId };
  if (fault.kind === "notAllowed") {
    return refusal("PROGRAM_ERROR", `${who} answered with "${fault.name}", which HTTP/2 does not allow in headers and trailers`, {
      metadata,
    });
  }
  return refusal("METADATA_TOO_LARGE", `${who} answered with ${inWords(fault)} of metadata: ${bounds}`, { metadata });
}

/** The error of a call that its replica reset as too much, before it answered. */
export function replicaOverwhelmed({ deployment, endpoint: { replicaId } }: Place): StatusError {
  const text = `replica ${replicaId} refused the request as too much for it: send less metadata`;
  return refusal("METADATA_TOO_LARGE", text, { metadata: { deployment, replica: replicaId } });
}
