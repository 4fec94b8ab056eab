import { createHash } from "node:crypto";
import { type DescMessage, fromJsonString, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { Clock } from "../clock/clock.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal, type StatusError } from "../core/errors.ts";
import type { CommitResult, Entry, Store, Write } from "../store/store.ts";

/** Tries of a change that others keep getting ahead of. */
const triesMax = 5;

type Maybe = DeploymentRecord | undefined;

/** What became of one deployment; undefined: there is none. */
export interface Changed {
  readonly name: string;
  readonly before: Maybe;
  readonly after: Maybe;
}

/** What somebody asked for under an id, kept with the write for a retry. */
interface Request<Answered extends readonly unknown[]> {
  readonly id: string;
  readonly fingerprint: string;
  /** Undefined: it is not known yet, and is kept later. */
  readonly answer: (...changed: Answered) => string | undefined;
}

/** A change of deployments: from what is there to what is to be. */
export interface Changes {
  /** The deployments, each once; asked anew at each try. */
  readonly names: () => Promise<readonly string[]>;
  /** What to write; the same record: nothing. Throws what the caller is to be told, and then nothing is written. */
  readonly change: (before: Maybe, name: string) => Maybe;
}

/** A change to be made: all of it in one commit, or nothing. */
export interface Mutations extends Changes {
  /** What is written with a deployment that changes, in the same commit. */
  readonly beside?: (after: DeploymentRecord, before: Maybe) => readonly Write[];
  readonly request?: Request<[changed: readonly Changed[]]>;
}

export type MutationResult<Done> =
  | ({ readonly kind: "done" } & Done)
  /** The request was carried out before, with this answer. */
  | { readonly kind: "replayed"; readonly answer: string };

/** A change of one deployment. */
export interface Mutation extends Pick<Mutations, "beside"> {
  readonly name: string;
  readonly change: (before: Maybe) => Maybe;
  readonly request?: Request<[after: Maybe, before: Maybe]>;
}

/** As `mutateAll`, for one deployment. */
export async function mutate(
  store: Store,
  { name, change, beside, request }: Mutation,
): Promise<MutationResult<{ readonly before: Maybe; readonly record: Maybe }>> {
  const result = await mutateAll(store, {
    names: async () => [name],
    change,
    ...(beside && { beside }),
    ...(request && { request: { ...request, answer: ([changed]) => request.answer(changed?.after, changed?.before) } }),
  });
  if (result.kind === "replayed") return result;
  const [changed] = result.changed;
  return { kind: "done", before: changed?.before, record: changed?.after };
}

/** Reads, changes and writes deployments, all or none; reads all again if somebody else wrote one of them meanwhile. */
export async function mutateAll(
  store: Store,
  { request, beside, ...changes }: Mutations,
): Promise<MutationResult<{ readonly changed: readonly Changed[] }>> {
  const before = request && (await store.recall(request.id, request.fingerprint));
  if (request && before) return settled(before, request.id, []);
  let names: readonly string[] = [];
  for (let tries = 0; tries < triesMax; tries++) {
    const found = await changedBy(store, changes);
    names = found.map(({ name }) => name);
    const writes = found.flatMap(({ name, version, before, after }): readonly Write[] =>
      after === undefined || after === before
        ? []
        : [{ put: "deployment", key: name, version, value: after }, ...(beside?.(after, before) ?? [])],
    );
    const answer = request?.answer(found);
    if (writes.length === 0 && answer === undefined) return { kind: "done", changed: found };
    const result = await store.commit(writes, request && answer !== undefined ? { request: { ...request, answer } } : {});
    if (result.kind !== "conflict") return settled(result, request?.id ?? "", found);
  }
  const which = names.length === 1 ? `deployment "${names[0]}"` : "these deployments";
  throw refusal("CONFLICT", `others keep changing ${which}: try again`, { retryAfterMs: 100 });
}

/** What a change would make of deployments as they are now. */
export async function changedBy(store: Store, { names, change }: Changes): Promise<readonly (Changed & { readonly version: number })[]> {
  const all = await names();
  const entries = await Promise.all(all.map((name): Promise<Entry<"deployment"> | undefined> => store.get("deployment", name)));
  return all.map((name, index) => {
    const entry = entries[index];
    return { name, version: entry?.version ?? 0, before: entry?.value, after: change(entry?.value, name) };
  });
}

function settled(
  result: CommitResult,
  requestId: string,
  changed: readonly Changed[],
): MutationResult<{ readonly changed: readonly Changed[] }> {
  switch (result.kind) {
    case "committed":
      return { kind: "done", changed };
    case "replayed":
      return { kind: "replayed", answer: result.answer };
    case "reused":
      throw reused(requestId);
    default:
      throw new Error(`a client's write cannot end as ${result.kind}`);
  }
}

export function reused(requestId: string): StatusError {
  return refusal("REQUEST_ID_REUSED", `request_id "${requestId}" was used for another request: take a new one`);
}

/** A digest of a request's content, whatever the order of its maps. */
export function fingerprintOf<D extends DescMessage>(schema: D, message: MessageShape<D>): string {
  return createHash("sha256")
    .update(`${schema.typeName}\n${sorted(toJson(schema, message))}`)
    .digest("base64");
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** An answer kept for a retry, as it was given. */
export const answerOf = <D extends DescMessage>(schema: D, answer: string): MessageShape<D> => fromJsonString(schema, answer);

/** When a change is made: the clock's time, but never before the last one. */
export function changeTimeMs(clock: Clock, before: DeploymentRecord | undefined): number {
  return Math.max(clock.nowMs(), before?.updatedAtMs ?? 0);
}
