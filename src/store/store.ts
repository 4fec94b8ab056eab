import type { ConfigChangeRecord, ConfigRecord } from "../core/config-change.ts";
import type { DecisionRecord } from "../core/decision.ts";
import type { DeploymentRecord, ProgressRecord, RevisionRecord } from "../core/deployment.ts";
import type { Json } from "../core/json.ts";
import type { ReplicaRecord } from "../core/replica.ts";
import type { StoreTrouble } from "../core/store-trouble.ts";

/**
 * The kinds of objects. Keys: the deployment's name for deployment, progress and change; the id for
 * replica; `partKey` for revision, decision and config.
 */
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
 * How the objects of a kind belong to a deployment, and are erased with it. `name`: their key is
 * its name. `part`: their field `deployment` is its name, and there may be many. `none`: they
 * belong to no deployment.
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
/** The kinds of which a deployment has many objects. */
export type PartKind = { [K in Kind]: (typeof placeOf)[K] extends "part" ? K : never }[Kind];
/** Their order is the order of the keys in the scripts. */
export const kinds = Object.keys(placeOf) as readonly Kind[];

/**
 * The key of one of a deployment's revisions, decisions or configs. Sorted keys have sorted
 * numbers.
 */
export const partKey = (deployment: string, number: number): string => `${deployment}/${String(number).padStart(12, "0")}`;

/** A stored object. `version` is the position of its last write. */
export interface Entry<K extends Kind = Kind> {
  readonly key: string;
  readonly version: number;
  readonly value: Records[K];
}

/** One write. `version` is the version that the writer read. 0: the object must not exist yet. */
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
/** The kind of the object that is written. */
export const kindOf = (write: Write): Kind => ("put" in write ? write.put : write.delete);

export interface CommitOptions {
  /** Objects that must still have the version that was read. Otherwise nothing is written. */
  readonly unchanged?: readonly { readonly kind: Kind; readonly key: string; readonly version: number }[];
  /**
   * Set for a write of the leader: it is refused unless this epoch holds the lease. Unset: a
   * client's write, which needs no lease.
   */
  readonly epoch?: number;
  /**
   * Makes the commit happen once: the same id again returns the first `answer`, and writes nothing.
   */
  readonly request?: {
    readonly id: string;
    /** A digest of the request. The same id with another digest is `reused`. */
    readonly fingerprint: string;
    /** The answer to retries. */
    readonly answer: Json;
    /** The stored answer that this one replaces. Unset: a stored answer stays. */
    readonly replaces?: Json;
  };
}

export type CommitResult =
  /** Written. `positions[i]` is the position of write i. */
  | { readonly kind: "committed"; readonly positions: readonly number[] }
  /**
   * The object at `key` does not have the version that the writer read (`found`; 0: it does not
   * exist). Nothing was written.
   */
  | { readonly kind: "conflict"; readonly key: string; readonly found: number }
  /** Another epoch holds the lease (`epoch`; 0: none). Nothing was written. */
  | { readonly kind: "fenced"; readonly epoch: number }
  /** This request was answered before. Nothing was written. */
  | { readonly kind: "replayed"; readonly answer: Json }
  /** The request id was used for another request. Nothing was written. */
  | { readonly kind: "reused" };

/**
 * One write as it happened. `value` undefined: deleted. Each write has its own position; positions
 * have no gaps.
 */
export interface StateChange {
  readonly position: number;
  readonly kind: Kind;
  readonly key: string;
  readonly value: Records[Kind] | undefined;
}

export type ChangeBatch =
  | { readonly kind: "changes"; readonly changes: readonly StateChange[] }
  /**
   * The changes after `after` are no longer all kept, or the state has gone back since (`rewound`).
   * `position` is the present one. Read everything again.
   */
  | { readonly kind: "lost"; readonly position: number; readonly rewound: boolean };

export type LeaseAnswer =
  /**
   * Held until `ttlMs` after the call. `epoch` is new if `holder` did not hold the lease before.
   */
  | { readonly held: true; readonly epoch: number }
  /** Another controller holds the lease for `remainingMs`, under `epoch`. */
  | { readonly held: false; readonly holder: string; readonly epoch: number; readonly remainingMs: number };

/** An object, and its kind. */
export type KindEntry = { readonly [K in Kind]: { readonly kind: K; readonly entry: Entry<K> } }[Kind];

/** The answer to a request that was carried out. */
export interface RequestAnswer {
  readonly id: string;
  readonly fingerprint: string;
  readonly answer: Json;
  /** When the answer is forgotten. */
  readonly expiresAtMs: number;
}

/** A whole state. */
export interface StoreContent {
  readonly position: number;
  readonly entries: Iterable<KindEntry>;
  readonly requests: Iterable<RequestAnswer>;
  /** The highest epoch known. A later lease has a higher one. */
  readonly epoch: number;
}

/** A state without objects: that of a new store. */
export const noContent: StoreContent = { position: 0, entries: [], requests: [], epoch: 0 };

export type FillResult =
  /** `epoch` is that of the lease, if one was asked for. */
  | { readonly kind: "filled"; readonly epoch: number }
  /** The store has a state already. Nothing was changed. */
  | { readonly kind: "kept" };

/**
 * Stores what was asked for and what was decided. If the store cannot be reached, every method
 * fails with `STORE_UNAVAILABLE` at once, without queueing. Invariant: a commit is all or nothing,
 * and each of its writes raises the position by one and is appended to the changes.
 * Large values of records and answers are kept once, and dropped when nothing refers to them. A
 * store that lost everything is empty: until it is filled, `position`, `list`, `commit`, `changes`
 * and `acquireLease` fail as if it could not be reached.
 */
export interface Store {
  /** Why calls fail now. Undefined: nothing is known to be wrong. */
  readonly trouble: StoreTrouble | undefined;
  /**
   * Gives an empty store this state, and its lease to `holder`, in one step that only the first of
   * several callers does. A store that is not empty stays as it is.
   */
  fill(content: StoreContent, lease?: { readonly holder: string; readonly ttlMs: number }): Promise<FillResult>;
  /** The answers to requests that this process carried out, the latest of them. */
  answers(): readonly RequestAnswer[];
  get<K extends Kind>(kind: K, key: string): Promise<Entry<K> | undefined>;
  /**
   * One page in the order of keys (by bytes), after the key `after`. `position` is that of the
   * whole state at the read.
   */
  list<K extends Kind>(
    kind: K,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<{ readonly entries: readonly Entry<K>[]; readonly position: number; readonly more: boolean }>;
  /** The position of the whole state: the number of writes so far. */
  position(): Promise<number>;
  commit(writes: readonly Write[], options?: CommitOptions): Promise<CommitResult>;
  /** What `commit` would return for this request id, if it was answered before. */
  recall(requestId: string, fingerprint: string): Promise<CommitResult | undefined>;
  /**
   * Waits up to `waitMs` for changes after position `after`. An empty batch if there are none, or
   * if the signal aborts. At most {@link batchMax} per batch.
   */
  changes(after: number, waitMs: number, signal: AbortSignal): Promise<ChangeBatch>;
  /** Takes the lease if it is free, and renews it if `holder` has it. */
  acquireLease(holder: string, ttlMs: number): Promise<LeaseAnswer>;
  /** Releases the lease if `holder` has it. */
  releaseLease(holder: string): Promise<void>;
  /**
   * Claims the store for an engine whose replicas no other engine can see, for `ttlMs`. The same
   * engine has the claim again, also from another process.
   */
  claim(claim: EngineClaim, ttlMs: number): Promise<ClaimResult>;
  /** Gives up a claim. */
  unclaim(claim: EngineClaim): Promise<void>;
  /** Announces a controller for `ttlMs`. `controllers` lists announced controllers. */
  announce(controller: ControllerInfo, ttlMs: number): Promise<void>;
  /** The announced controllers by id, and the holder of the lease. */
  controllers(): Promise<{ readonly controllers: readonly ControllerInfo[]; readonly leader: LeaseHolder | undefined }>;
  /** What the store keeps besides the objects themselves. */
  size(): Promise<StoreSize>;
  close(): Promise<void>;
}

/** Bytes are those of the JSON. What is kept once for many is counted once. */
export interface StoreSize {
  readonly changes: number;
  /** With the contents that no object refers to. At most {@link changesBytesMax}. */
  readonly changesBytes: number;
  /** Of the kept answers, as `changesBytes`. At most {@link answersBytesMax}. */
  readonly answersBytes: number;
  /** Large values that are kept once, such as a `user_config`. */
  readonly contents: number;
  readonly contentsBytes: number;
}
/** Who uses the store with an engine of its own. `node` and `dataDir` together identify the engine. */
export interface EngineClaim {
  readonly node: string;
  readonly dataDir: string;
  readonly host: string;
  readonly pid: number;
  readonly api: string;
  readonly gateway: string;
}
/** Identifies the engine of a claim. */
export const ownerOf = ({ node, dataDir }: EngineClaim): string => `${node} ${dataDir}`;

export type ClaimResult =
  | { readonly kind: "claimed" }
  /** Another engine has the claim for `remainingMs`. */
  | { readonly kind: "taken"; readonly by: EngineClaim; readonly remainingMs: number };

export interface LeaseHolder {
  readonly id: string;
  readonly epoch: number;
}

export interface ControllerInfo {
  readonly id: string;
  readonly startedAtMs: number;
}
