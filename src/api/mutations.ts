import { createHash } from "node:crypto";
import { type DescMessage, fromJsonString, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { Clock } from "../clock/clock.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal } from "../core/errors.ts";
import type { CommitResult, Entry, Store, Write } from "../store/store.ts";

/** Tries of a change that others keep getting ahead of. */
const triesMax = 5;

/** A change of one deployment: from what is there to what is to be. */
export interface Mutation {
  readonly name: string;
  /** What to write; the same record: nothing. Throws what the caller is to be told. */
  readonly change: (before: DeploymentRecord | undefined) => DeploymentRecord | undefined;
  /** What is written with it, in the same commit. */
  readonly beside?: (after: DeploymentRecord, before: DeploymentRecord | undefined) => readonly Write[];
  /** Kept with the write, for a retry of the same request. */
  readonly request?: {
    readonly id: string;
    readonly fingerprint: string;
    readonly answer: (after: DeploymentRecord | undefined, before: DeploymentRecord | undefined) => string;
  };
}

export type MutationResult =
  | { readonly kind: "done"; readonly before: DeploymentRecord | undefined; readonly record: DeploymentRecord | undefined }
  /** The request was carried out before, with this answer. */
  | { readonly kind: "replayed"; readonly answer: string };

/** Reads, changes and writes a deployment; reads again if somebody else wrote it meanwhile. */
export async function mutate(store: Store, { name, change, beside, request }: Mutation): Promise<MutationResult> {
  if (request !== undefined) {
    const before = await store.recall(request.id, request.fingerprint);
    if (before !== undefined) return settled(before, request.id, {});
  }
  for (let tries = 0; tries < triesMax; tries++) {
    const entry = await store.get("deployment", name);
    const after = change(entry?.value);
    const writes =
      after === undefined || after === entry?.value ? [] : [writeOf(name, entry, after), ...(beside?.(after, entry?.value) ?? [])];
    if (writes.length === 0 && request === undefined) return { kind: "done", before: entry?.value, record: after };
    const result = await store.commit(
      writes,
      request === undefined ? {} : { request: { ...request, answer: request.answer(after, entry?.value) } },
    );
    if (result.kind !== "conflict") return settled(result, request?.id ?? "", { before: entry?.value, record: after });
  }
  throw refusal("CONFLICT", `others keep changing deployment "${name}": try again`, { retryAfterMs: 100 });
}

function writeOf(name: string, before: Entry<"deployment"> | undefined, after: DeploymentRecord): Write {
  return { put: "deployment", key: name, version: before?.version ?? 0, value: after };
}

function settled(
  result: CommitResult,
  requestId: string,
  { before, record }: { readonly before?: DeploymentRecord | undefined; readonly record?: DeploymentRecord | undefined },
): MutationResult {
  switch (result.kind) {
    case "committed":
      return { kind: "done", before, record };
    case "replayed":
      return { kind: "replayed", answer: result.answer };
    case "reused":
      throw refusal("REQUEST_ID_REUSED", `request_id "${requestId}" was used for another request: take a new one`);
    default:
      throw new Error(`a client's write cannot end as ${result.kind}`);
  }
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
