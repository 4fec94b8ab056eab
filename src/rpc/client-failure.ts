import { refusal, StatusError, type Unreached } from "../core/errors.ts";

/** A text of grpc-js, and what it says in our words. */
type Translation = readonly [pattern: RegExp, translate: (match: RegExpExecArray, address: string) => StatusError];

/**
 * What grpc-js itself says of a call, which it has only as texts: they are read here and nowhere
 * else. A status that a server answered has other texts.
 */
const translations: readonly Translation[] = [
  [
    /^Deadline exceeded after ([\d.]+)s/,
    ([, seconds], address) => refusal("DEADLINE", `${address} did not answer within ${Number(seconds)} s, which is the call's deadline`),
  ],
  [
    /^No connection established\. Last error: (?:Error: )?(.*?)\.? *(?:Resolution note:.*)?$/s,
    ([, cause = ""], address) => unreached(address, cause),
  ],
  [/^Name resolution failed for target (.*?)$/s, (_, address) => unreached(address, "its name cannot be resolved: is it written right?")],
  [
    /^(?:Connection dropped|read ECONNRESET|read ETIMEDOUT|Received RST_STREAM with code \d+ .*: (?:read|write) E(?:PIPE|CONNRESET|TIMEDOUT))$/,
    (_, address) =>
      new StatusError("UNAVAILABLE", `the connection to ${address} was lost: the call may or may not have had its effect`, { lost: true }),
  ],
  [
    /^Received message larger than max \((\d+) vs (\d+)\)$/,
    ([, bytes, bytesMax], address) =>
      new StatusError("RESOURCE_EXHAUSTED", `a message of the call to ${address} has ${bytes} bytes, and at most ${bytesMax} are taken`),
  ],
  [
    /^Bandwidth exhausted or memory limit exceeded$/,
    (_, address) => new StatusError("RESOURCE_EXHAUSTED", `the call to ${address} has more headers or trailers than are taken`),
  ],
  [
    /^Received RST_STREAM with code (\d+)/,
    ([, code], address) => new StatusError("INTERNAL", `${address} ended the call without a status (HTTP/2 error ${code})`),
  ],
  [
    /^Response message parsing error: (.*)$/s,
    ([, cause], address) => new StatusError("INTERNAL", `what ${address} answered is no message of this method: ${cause}`),
  ],
  [
    /^Received HTTP status code (\d+)$/,
    ([, status], address) => new StatusError("UNKNOWN", `${address} does not speak gRPC: it answered with the HTTP status ${status}`),
  ],
];

function unreached(address: string, cause: string): StatusError {
  const facts: Unreached = { refused: cause.includes("ECONNREFUSED"), cause };
  const text = facts.refused
    ? `nothing listens at ${address}: is the server started, and the address right?`
    : `cannot reach ${address}: ${cause}`;
  return new StatusError("UNAVAILABLE", text, { unreached: facts });
}

/**
 * The failure of a call in our words, with the code that it has, where grpc-js made its text. Of a
 * connection that is lost while a message is written, grpc-js says INTERNAL: it is UNAVAILABLE.
 */
export function inOurWords(failure: StatusError, address: string): StatusError {
  if (failure.reason !== undefined) return failure;
  for (const [pattern, translate] of translations) {
    const match = pattern.exec(failure.message);
    if (match === null) continue;
    const { code, message, reason, facts } = translate(match, address);
    return new StatusError(facts.lost ? code : failure.code, message, { ...facts, ...(reason && { reason }) });
  }
  return failure;
}
