import { defaultRollout } from "../core/rollout-policy.ts";

type RecordFields = Readonly<Record<string, unknown>>;

/**
 * Brings a record of an earlier version to this version, by kind. A record of this version stays as
 * it is.
 */
const upgrades: Readonly<Record<string, (record: RecordFields) => RecordFields>> = {
  deployment: (record) => ({
    newestConfigGeneration: record.configGeneration,
    ...record,
    spec: wholeSpec(record.spec),
    ...(isObject(record.failedRollout) && { failedRollout: failedRollout(record.failedRollout) }),
  }),
  progress,
  replica,
  revision: (record) => ({ configGeneration: 1, ...record, spec: wholeSpec(record.spec) }),
  decision: ({ bound, ...record }) => (bound === "" || bound === undefined ? record : { ...record, bound }),
  change: (record) => ({
    ...record,
    ...(isObject(record.spec) && { spec: wholeSpec(record.spec) }),
    replicas: ((record.replicas as readonly RecordFields[] | undefined) ?? []).map(outcome),
  }),
};

/** A stored record, in the form of this version. */
export function upgraded<T>(kind: string, record: T): T {
  return (upgrades[kind]?.(record as RecordFields) ?? record) as T;
}

function wholeSpec(spec: unknown): unknown {
  const { maxQueuedRequests, ...fields } = (spec ?? {}) as RecordFields;
  return {
    rollout: defaultRollout,
    ...fields,
    // Version 0.1.0 wrote -1 for "no bound".
    ...(maxQueuedRequests === undefined || maxQueuedRequests === -1 ? {} : { maxQueuedRequests }),
    runtimeEnv: { npm: [], pip: [], ...(fields.runtimeEnv as RecordFields | undefined) },
  };
}

/** Version 0.1.0 stored sentences instead of facts, and 0 and "" for absent values. */
function replica(record: RecordFields): RecordFields {
  if (typeof record.message !== "string") return record;
  const { message, failing, readyAtMs, address, ...others } = record;
  const rest = address === "" ? others : { ...others, address };
  const ran = readyAtMs === 0 || readyAtMs === undefined ? {} : { readyAtMs };
  const failure = { cause: earlier(firstLineOf(message)), lines: message.split("\n").slice(1) };
  switch (record.state) {
    case "FAILED":
      return { ...rest, ...ran, failure };
    case "DRAINING":
    case "STOPPED":
      return failing === true
        ? { ...rest, ...ran, failure, departure: { kind: "failing" } }
        : { ...rest, ...ran, departure: earlier(message) };
    default:
      // The next tick finds out again why the replica waits.
      return { ...rest, ...ran };
  }
}

function progress(record: RecordFields): RecordFields {
  const { failedAtMs, retryAtMs, rolloutFailure, lastFailure, installing, settled, ...rest } = record;
  const last = typeof lastFailure === "string" ? startFailure(lastFailure, record.revision) : lastFailure;
  return {
    progressedAtMs: 0,
    everStable: record.everRan,
    ...rest,
    failedAtMs: failedAtMs === 0 ? undefined : failedAtMs,
    retryAtMs: retryAtMs === 0 ? undefined : retryAtMs,
    rolloutFailure: typeof rolloutFailure === "string" ? earlierIfAny(rolloutFailure) : rolloutFailure,
    lastFailure: last,
    // The next tick finds out again whether an installation is in progress.
    installing: typeof installing === "string" ? undefined : installing,
    settled: (settled as RecordFields | undefined)?.revision === 0 ? undefined : settled,
  };
}

function failedRollout(record: RecordFields): RecordFields {
  return typeof record.cause === "string" ? { ...record, cause: earlier(record.cause) } : record;
}

/** Undefined: there was none. The text begins with the name of what failed. */
function startFailure(text: string, revision: unknown): RecordFields | undefined {
  if (text === "") return undefined;
  const [, name = "", cause = ""] = /^(revision \d+|\S+) (.*)$/.exec(firstLineOf(text)) ?? [];
  const ofReplica = name === "" || name.startsWith("revision ") ? {} : { replicaId: name };
  return { ...ofReplica, revision, cause: earlier(cause === "" ? firstLineOf(text) : cause), lines: text.split("\n").slice(1) };
}

function outcome(record: RecordFields): RecordFields {
  if (typeof record.message !== "string") return record;
  const { message, violations, ...rest } = record;
  return message === "" ? rest : { ...rest, problem: { kind: "refused", message, violations: violations ?? [] } };
}

const earlier = (text: string) => ({ kind: "earlier", text });
const earlierIfAny = (text: string) => (text === "" ? undefined : earlier(text));
const firstLineOf = (text: string): string => text.slice(0, text.indexOf("\n") < 0 ? undefined : text.indexOf("\n"));
const isObject = (value: unknown): value is RecordFields => typeof value === "object" && value !== null;
