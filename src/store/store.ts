import type { ConfigChangeRecord, ConfigRecord } from "../core/config-change.ts";
import type { DecisionRecord } from "../core/decision.ts";
import type { DeploymentRecord, ProgressRecord, RevisionRecord } from "../core/deployment.ts";
import type { ReplicaRecord } from "../core/replica.ts";

/** The kinds of object kept, each by key: deployment, progress and the change of its config by the deployment's name, replica by its id, revision, decision and config by `partKey`. */
export interface Records {
  readonly deployment: DeploymentRecord;
  readonly progress: ProgressRecord;
  readonly replica: ReplicaRecord;
  readonly revision: RevisionRecord;
  readonly decision: DecisionRecord;
  readonly change: ConfigChangeRecord;
  readonly config: ConfigRecord;
}
export type Kind = keyof Records;

/**
 * How objects of a kind belong to a deployment, and so go with it: their key is its name (`name`), or they name it in
 * their field `deployment` (`part`: there may be many), or they belong to none (`none`).
 */
export const placeOf = {
  deployment: "name",
  progress: "name",
  replica: "part",
  revision: "part",
  decision: "part",
  change: "name",
  config: "part",
} as const satisfies Readonly<Record<Kind, "name" | "part" | "none">>;
/** The kinds of which a deployment has many. */
export type PartKind = { [K in Kind]: (typeof placeOf)[K] extends "part" ? K : never }[Kind];
/** Their order is that of the keys in the scripts. */
export const kinds = Object.keys(placeOf) as readonly Kind[];

/** The key of one of a deployment's revisions, decisions or configs, by its number; keys in order are numbers in order. */
export const partKey = (deployment: string, number: number): string => `${deployment}/${String(number).padStart(12, "0")}`;

/** An object as kept; `version` is the position of the whole state at which it was last written. */
export interface Entry<K extends Kind = Kind> {
  readonly key: string;
  readonly version: number;
  readonly value: Records[K];
}

/** One write. `version` is what the writer read: 0 means the object must not exist yet. */
export type Write = { [K in Kind]: PutWrite<K> }[Kind] | DeleteWrite;
export interface PutWrite<K extends Kind> {
  readonly put: K;
  readonly key: string;
  readonly version: number;
  readonly value: Records[K];
}
export interface DeleteWrite {
  readonly delete: Kind;
  readonly key: string;
  readonly version: number;
}

export interface CommitOptions {
  /** What must still be as it was read for anything to be written. */
  readonly unchanged?: readonly { readonly kind: Kind; readonly key: string; readonly version: number }[];
  /** A write of the leader: refused unless this epoch holds the lease. Unset: a write of a client, which needs no lease. */
  readonly epoch?: number;
  /** Makes the commit happen once: the same id again gives the first `answer` and writes nothing. */
  readonly request?: {
    readonly id: string;
    /** A digest of what was asked; the same id with another one is `reused`. */
    readonly fingerprint: string;
    /** What to answer a retry with. */
    readonly answer: string;
    /** The kept answer that this one takes the place of. Unset: an answer that is kept stays. */
    readonly replaces?: string;
  };
}

export type CommitResult =
  /** Written; `positions[i]` is the position that write i made. */
  | { readonly kind: "committed"; readonly positions: readonly number[] }
  /** The object at `key` is not at the version the writer read (`found`, 0: it does not exist). Nothing was written. */
  | { readonly kind: "conflict"; readonly key: string; readonly found: number }
  /** Another epoch (`epoch`, 0: none) holds the lease. Nothing was written. */
  | { readonly kind: "fenced"; readonly epoch: number }
  /** This request was answered before. Nothing was written. */
  | { readonly kind: "replayed"; readonly answer: string }
  /** The request id was used for another request. Nothing was written. */
  | { readonly kind: "reused" };

/** One write as it happened: `value` undefined means deleted. Each write makes a position of its own; positions have no gaps. */
export interface StateChange {
  readonly position: number;
  readonly kind: Kind;
  readonly key: string;
  readonly value: Records[Kind] | undefined;
}

export type ChangeBatch =
  | { readonly kind: "changes"; readonly changes: readonly StateChange[] }
  /** The changes after `after` are not all kept any more, or the state went back since (`rewound`); `position` is where it is now. Read everything again. */
  | { readonly kind: "lost"; readonly position: number; readonly rewound: boolean };

export type LeaseAnswer =
  /** Held until `ttlMs` from the call; `epoch` is new if `holder` did not hold it before. */
  | { readonly held: true; readonly epoch: number }
  /** Somebody else holds it for `remainingMs` more. */
  | { readonly held: false; readonly holder: string; readonly remainingMs: number };

/**
 * Where what was asked and what was decided is kept. Every method fails with `STORE_UNAVAILABLE` when the store cannot be
 * reached, at once and without queueing.
 * Invariant: a commit is all or nothing, and each of its writes raises the position by one and is appended to the changes.
 */
export interface Store {
  get<K extends Kind>(kind: K, key: string): Promise<Entry<K> | undefined>;
  /** One page in the order of keys (by bytes), after the key `after`; `position` is that of the whole state when read. */
  list<K extends Kind>(
    kind: K,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<{ readonly entries: readonly Entry<K>[]; readonly position: number; readonly more: boolean }>;
  /** The position of the whole state: how many writes there were. */
  position(): Promise<number>;
  commit(writes: readonly Write[], options?: CommitOptions): Promise<CommitResult>;
  /** What `commit` would answer for this request id, if it was answered before. */
  recall(requestId: string, fingerprint: string): Promise<CommitResult | undefined>;
  /** Waits up to `waitMs` for changes after position `after`; an empty batch when there are none, or the signal aborts. At most 1,000 a batch. */
  changes(after: number, waitMs: number, signal: AbortSignal): Promise<ChangeBatch>;
  /** Takes the lease if it is free or ours, and renews it if it is ours. */
  acquireLease(holder: string, ttlMs: number): Promise<LeaseAnswer>;
  /** Gives the lease up if `holder` has it. */
  releaseLease(holder: string): Promise<void>;
  /** Announces a controller for `ttlMs`; announced ones are listed by `controllers`. */
  announce(controller: ControllerInfo, ttlMs: number): Promise<void>;
  controllers(): Promise<{ readonly controllers: readonly ControllerInfo[]; readonly leader: string; readonly epoch: number }>;
  close(): Promise<void>;
}

export interface ControllerInfo {
  readonly id: string;
  readonly startedAtMs: number;
}
