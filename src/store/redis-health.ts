import { ReplyError } from "ioredis";
import { StatusError } from "../core/errors.ts";
import { mayBeRead, type StoreTrouble, type StoreTroubleKind } from "../core/store-trouble.ts";
import { storeTroubleInWords } from "../core/words/store-trouble-words.ts";
import type { Log } from "../log/log.ts";
import { unavailable } from "./unavailable.ts";

/** Error replies of a Redis that is reachable but cannot serve now. Others are a bug of ours. */
const kindOfCode: Readonly<Record<string, StoreTroubleKind>> = {
  NOAUTH: "passwordMissing",
  WRONGPASS: "passwordWrong",
  NOPERM: "notPermitted",
  MISCONF: "diskFailing",
  OOM: "memoryFull",
  READONLY: "readOnly",
  MASTERDOWN: "readOnly",
  LOADING: "loading",
  NOREPLICAS: "refusing",
  BUSY: "refusing",
  CLUSTERDOWN: "refusing",
  TRYAGAIN: "refusing",
};

/** What an error reply says of the server. Undefined: nothing; the error is a bug of ours. */
export function troubleOf(error: unknown): StoreTrouble | undefined {
  if (!(error instanceof ReplyError)) return undefined;
  const { message: said = "" } = error as Error;
  const [line = ""] = said.split("\n");
  const kind = kindOfCode[/^[A-Z]+/.exec(line)?.[0] ?? ""];
  return kind && { kind, said: line };
}

/** What is wrong with a Redis, as its connections and answers show. Logs each change once. */
export class RedisHealth {
  readonly #log: Pick<Log, "warn" | "info">;
  #trouble: StoreTrouble | undefined;
  /** Why the connection for commands cannot be opened. */
  #closed: StoreTrouble | undefined;

  constructor(log: Pick<Log, "warn" | "info">) {
    this.#log = log;
  }

  get trouble(): StoreTrouble | undefined {
    return this.#trouble;
  }

  /** The connection was closed or could not be opened, for this reason if one was said. */
  disconnected(error: unknown): void {
    this.#closed = troubleOf(error) ?? { kind: "away" };
    this.#note(this.#closed);
  }

  connected(): void {
    this.#closed = undefined;
  }

  /** A call failed. Returns what the caller gets: a StatusError, unless the error is a bug of ours. */
  failed(error: unknown): unknown {
    if (error instanceof StatusError) return error;
    // Without a reply, what Redis or the system said last is the reason.
    const trouble = error instanceof ReplyError ? troubleOf(error) : (this.#closed ?? this.#trouble ?? { kind: "away" });
    if (trouble === undefined) return error;
    return this.refused(trouble);
  }

  /** A call failed for this reason. Returns what the caller gets. */
  refused(trouble: StoreTrouble): StatusError {
    this.#note(trouble);
    return unavailable(trouble);
  }

  /** The state was read or written. */
  succeeded(how: "read" | "wrote"): void {
    if (this.#trouble === undefined || (how === "read" && mayBeRead(this.#trouble))) return;
    this.#trouble = undefined;
    this.#log.info("Redis serves again");
  }

  #note(trouble: StoreTrouble): void {
    const isNew = this.#trouble?.kind !== trouble.kind;
    this.#trouble = trouble;
    if (isNew) this.#log.warn({ trouble: trouble.kind }, `${storeTroubleInWords(trouble)}; until then nothing can be changed`);
  }
}
