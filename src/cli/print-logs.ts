import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { LogStream, type WatchLogsResponse, WatchLogsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Format } from "./command.ts";
import { messageJson } from "./print.ts";
import type { Colors, Session } from "./session.ts";

/** Which lines of which replicas are printed, and how. */
export interface LogsWish {
  /** Undefined: all replicas. */
  readonly replicaId?: string | undefined;
  /** How many of the last lines of each replica to begin with. Undefined: the controller's default. */
  readonly tailLines?: number | undefined;
  /** Go on with new lines. */
  readonly follow: boolean;
  readonly timestamps?: boolean | undefined;
  readonly output: Format;
}

/**
 * Prints what the replicas of deployments print: of one deployment after the other, or, where lines
 * are followed, of all as they come, until the signal aborts.
 */
export async function printLogs(session: Session, names: readonly string[], wish: LogsWish, signal: AbortSignal): Promise<void> {
  const { replicaId = "", tailLines, follow } = wish;
  const over = new AbortController();
  const print = async (name: string) => {
    const request = { name, replicaId, follow, ...(tailLines === undefined ? {} : { tailLines }) };
    const options = { signal: AbortSignal.any([signal, over.signal]) };
    for await (const line of session.controller().watchLogs(request, options)) printLine(session, line, wish);
  };
  try {
    if (follow) await Promise.all(names.map(print));
    else for (const name of names) await print(name);
  } finally {
    over.abort();
  }
}

function printLine(session: Session, line: WatchLogsResponse, { timestamps, output }: LogsWish): void {
  if (output === "json") {
    session.print(JSON.stringify(messageJson(WatchLogsResponseSchema, line)));
    return;
  }
  const raw = session.io.stdout.isTTY === true;
  const text = line.stream === LogStream.STDERR && raw ? session.colors.dim(line.line) : line.line;
  const time = timestamps ? `${session.colors.dim(timeOf(line.writeTime))}  ` : "";
  session.print(`${time}${colorOf(line.replicaId, session.colors)(line.replicaId)}  ${text}`);
}

/** The time of a line; where it is not known, `-` in the same width. */
const timeOf = (time: Timestamp | undefined): string => (time === undefined ? "-" : timestampDate(time).toISOString()).padEnd(24);

/** The same colour for the same replica, always. */
function colorOf(replicaId: string, colors: Colors): (text: string) => string {
  const palette = [colors.cyan, colors.magenta, colors.yellow, colors.green, colors.blue];
  const sum = [...replicaId].reduce((hash, letter) => (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0, 0);
  return palette[sum % palette.length] ?? colors.cyan;
}
