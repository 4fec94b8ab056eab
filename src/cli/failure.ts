import { createRegistry, fromBinary, toJsonString } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { type ErrorFacts, type Reason, StatusError, type Unreached } from "../core/errors.ts";
import { CliError } from "./cli-error.ts";
import { plain } from "./plain-text.ts";

/** What a command has called, for the words about its failure. */
export interface Called {
  /** The server called last, and the flag that chooses it. */
  readonly address: string;
  readonly flag: string;
  /** The deployment that the command is about. Undefined: several, or none. */
  readonly deployment?: string | undefined;
  /** The controller API that the command line names. Undefined: it names none. */
  readonly api?: string | undefined;
}

/**
 * What to do about an error, where its message does not say it. `NAME` is the deployment. What is
 * in backquotes can be pasted.
 */
const remedies: Partial<Record<Reason, string>> = {
  DEPLOYMENT_NOT_FOUND: "`drover list` shows the deployments there are",
  REPLICA_NOT_FOUND: "`drover replicas NAME` shows the replicas there are",
  AUTOSCALED: "`drover explain NAME` shows what is decided and why; `drover get NAME` shows the bounds, `drover deploy` changes them",
  DEPLOYMENT_DELETING: "wait until it is gone (`drover status NAME --watch`), then try again",
  CONFLICT: "it was changed since you read it: read it again (`drover get NAME`), then repeat",
  RECONFIGURE_REFUSED: "no replica was changed for good: all serve by the config before (`drover configs NAME` shows it)",
  CHANGE_IN_PROGRESS: "another change of its config is in progress: try again when it is over (`drover status NAME`)",
  CONFIG_NOT_FOUND: "`drover configs NAME` shows those there are",
  QUEUE_FULL: "all replicas are full (`drover status NAME` shows them): try again later, add replicas, or raise max_queued_requests",
  NO_REPLICA: "`drover status NAME` shows why no replica runs",
  REPLICA_LOST: "the request may or may not have had its effect: `drover replicas NAME` shows what became of the replica",
  PROGRAM_ERROR: "`drover logs NAME` shows what the program printed",
  SHUTTING_DOWN: "the server was being stopped: try again; long requests need a longer graceful_shutdown_timeout",
  INTERNAL: "this is a bug in Drover: the controller's log says more",
};

/** The lines that show a failure, without a stack trace. */
export function failureLines(error: unknown, called: Called | undefined): readonly string[] {
  if (error instanceof CliError) return error.lines;
  if (error instanceof StatusError) return statusLines(error, called);
  return [error instanceof Error ? error.message || error.name : String(error)];
}

function statusLines(error: StatusError, called: Called | undefined): readonly string[] {
  const { code, reason, message, facts } = error;
  if (facts.unreached && called) return unreachableLines(facts.unreached, called);
  const violations = facts.violations ?? [];
  const count = violations.length === 1 ? "1 field is wrong" : `${violations.length} fields are wrong`;
  // The message of a refused change has the replicas that refused it.
  const summary = violations.length > 0 && reason !== "RECONFIGURE_REFUSED" ? count : message;
  const remedy = reason && remedyOf(reason, facts, called);
  return [
    `${code}: ${summary}`,
    ...violations.map(({ field, description }) => (field ? `${field}: ${description}` : description)),
    ...(reason === undefined ? ownFacts(facts) : []),
    ...(facts.retryAfterMs === undefined ? [] : [`it may work in ${facts.retryAfterMs / 1000} s`]),
    ...(remedy ? [remedy] : []),
  ].flatMap((line) => plain(line).split("\n"));
}

/** The remedy with commands that can be pasted: with the deployment's name, the replica's and the API's address. */
function remedyOf(reason: Reason, { metadata = {} }: ErrorFacts, called: Called | undefined): string | undefined {
  // The message of both SDKs has the command, with the replica.
  if (reason === "PROGRAM_ERROR" && metadata.replica_id) return undefined;
  const name = metadata.deployment ?? called?.deployment;
  const replica = metadata.replica === undefined ? "" : ` --replica ${metadata.replica}`;
  const api = called?.api === undefined ? "" : ` --api ${called.api}`;
  return remedies[reason]
    ?.replaceAll("logs NAME", `logs NAME${replica}`)
    .replaceAll(/(status|replicas) NAME(?: --watch)?/g, name === undefined ? "$1" : "$&") // these show all
    .replaceAll("NAME", name ?? "NAME")
    .replaceAll(/`drover ([^`]*)`/g, `\`drover $1${api}\``);
}

const standardDetails = createRegistry(file_google_rpc_error_details);

/** What a program gave with its error: metadata, and details, those of `google.rpc` as JSON. */
function ownFacts({ metadata = {}, details = [] }: ErrorFacts): readonly string[] {
  return [
    ...Object.entries(metadata).map(([name, value]) => `${name}: ${value}`),
    ...details.map(({ typeName, value }) => `${typeName}: ${detailText(typeName, value)}`),
  ];
}

function detailText(typeName: string, value: Uint8Array): string {
  const schema = standardDetails.getMessage(typeName);
  try {
    if (schema) return toJsonString(schema, fromBinary(schema, value));
  } catch {
    // Not that message: its size still says that there is something.
  }
  return `${value.length} bytes`;
}

function unreachableLines({ refused, cause }: Unreached, { address, flag }: Called): readonly string[] {
  const server = flag === "--api" ? "controller" : "gateway";
  const remedy = `no ${server} answers at ${address}: start one with \`drover start\`, or name another with ${flag}`;
  return refused ? [remedy] : [remedy, cause];
}
