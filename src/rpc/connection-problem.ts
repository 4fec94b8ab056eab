import type { StatusError } from "../core/errors.ts";

/** Why a call reached no server. */
export interface ConnectionProblem {
  /** Nothing listens at the address. */
  readonly refused: boolean;
  /** The system's text. */
  readonly cause: string;
}

/**
 * Why a call reached no server; undefined: it reached a server, or failed for another reason.
 * grpc-js has only a text for it, which is read nowhere else. An UNAVAILABLE that a server answered
 * has another text.
 */
export function connectionProblem({ code, reason, message }: StatusError): ConnectionProblem | undefined {
  const unreached = code === "UNAVAILABLE" && reason === undefined && /^(?:No connection established|Name resolution failed)/.test(message);
  if (!unreached) return undefined;
  const cause = message.replace(/^No connection established\. Last error: (?:Error: )?/, "").replace(/\.? *Resolution note:.*$/s, "");
  return { refused: cause.includes("ECONNREFUSED"), cause };
}
