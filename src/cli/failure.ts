import { createRegistry, fromBinary, toJsonString } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { type ErrorFacts, type Reason, StatusError, type Unreached } from "../core/errors.ts";
import { CliError } from "./cli-error.ts";
import { plain } from "./plain-text.ts";

/** What to do about an error, where its message does not say it. `NAME` is the deployment. */
const remedies: Partial<Record<Reason, string>> = {
  DEPLOYMENT_NOT_FOUND: "`drover list` shows the deployments there are",
  REPLICA_NOT_FOUND: "`drover replicas` shows the replicas there are",
  AUTOSCALED: "`drover explain NAME` shows what is decided and why; `drover get NAME` shows the bounds, `drover deploy` changes them",
  DEPLOYMENT_DELETING: "wait until it is gone (`drover status`), then try again",
  CONFLICT: "it was changed since you read it: read it again (`drover get`), then repeat",
  RECONFIGURE_REFUSED: "no replica was changed for good: all serve by the config before (`drover configs NAME` shows it)",
  CHANGE_IN_PROGRESS: "another change of its config is in progress: try again when it is over (`drover status NAME`)",
  CONFIG_NOT_FOUND: "`drover configs NAME` shows those there are",
  QUEUE_FULL: "all replicas are full: try again later, add replicas (`drover scale`), or raise max_queued_requests",
  NO_REPLICA: "`drover status` shows why no replica runs",
  REPLICA_LOST: "the request may or may not have had its effect: `drover replicas` shows what became of the replica",
  PROGRAM_ERROR: "`drover logs NAME` shows what the program printed",
  SHUTTING_DOWN: "the server was being stopped: try again; long requests need a longer graceful_shutdown_timeout",
  INTERNAL: "this is a bug in Drover: the controller's log says more",
};

/**
 * The lines that show a failure, without a stack trace. `called` is the server called last, and the
 * flag that chooses it.
 */
export function failureLines(error: unknown, called: { readonly address: string; readonly flag: string } | undefined): readonly string[] {
  if (error instanceof CliError) return error.lines;
  if (error instanceof StatusError) return statusLines(error, called);
  return [error instanceof Error ? error.message || error.name : String(error)];
}

function statusLines(error: StatusError, called: { readonly address: string; readonly flag: string } | undefined): readonly string[] {
  const { code, reason, message, facts } = error;
  if (facts.unreached && called) return unreachableLines(facts.unreached, called);
  const violations = facts.violations ?? [];
  const count = violations.length === 1 ? "1 field is wrong" : `${violations.length} fields are wrong`;
  // The message of a refused change has the replicas that refused it.
  const summary = violations.length > 0 && reason !== "RECONFIGURE_REFUSED" ? count : message;
  const remedy = reason && remedies[reason]?.replaceAll("NAME", facts.metadata?.deployment ?? "NAME");
  return [
    `${code}: ${summary}`,
    ...violations.map(({ field, description }) => (field ? `${field}: ${description}` : description)),
    ...(reason === undefined ? ownFacts(facts) : []),
    ...(facts.retryAfterMs === undefined ? [] : [`it may work in ${facts.retryAfterMs / 1000} s`]),
    ...(remedy ? [remedy] : []),
  ].flatMap((line) => plain(line).split("\n"));
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

function unreachableLines(
  { refused, cause }: Unreached,
  { address, flag }: { readonly address: string; readonly flag: string },
): readonly string[] {
  const server = flag === "--api" ? "controller" : "gateway";
  const remedy = `no ${server} answers at ${address}: start one with \`drover start\`, or name another with ${flag}`;
  return refused ? [remedy] : [remedy, cause];
}
