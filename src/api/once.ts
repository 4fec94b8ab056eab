import { createHash, type Hash } from "node:crypto";
import { create, type DescMessage, fromJson, type JsonValue, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { type Pace, pacing } from "../clock/breathe.ts";
import { StatusError } from "../core/errors.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { jsonInParts } from "../rpc/in-parts.ts";
import type { CallContext } from "../rpc/service.ts";
import { type Caller, forCaller } from "./caller.ts";
import { commitInTurn } from "./commit-in-turn.ts";
import { type BegunChange, type ChangeEnd, endOf } from "./config-change-end.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { type EditPlan, type MadeEdit, reused } from "./edits.ts";

/** A call that writes. */
export interface WriteCall<I extends DescMessage, O extends DescMessage> {
  readonly input: I;
  readonly output: O;
  readonly request: MessageShape<I> & { readonly requestId: string; readonly validateOnly?: boolean };
  readonly context: CallContext;
}

/** What a call writes, and what it answers. */
export interface WriteWork<O extends DescMessage> {
  /** Called first, where nothing is written yet. */
  readonly prepare?: (caller: Caller) => Promise<void>;
  readonly plan: (caller: Caller) => EditPlan;
  /** The answer, as far as it is known at the commit. */
  readonly answer: (made: readonly MadeEdit[]) => MessageInitShape<O> | Promise<MessageInitShape<O>>;
  /** The answer after the changes of config that the edits began; `ends` are by deployment. */
  readonly finish?: (answer: MessageShape<O>, ends: ReadonlyMap<string, ChangeEnd>) => MessageInitShape<O>;
}

/**
 * What is kept of a request: its answer, and the changes of config that must end before the answer
 * is whole.
 */
interface KeptAnswer<O extends DescMessage> {
  readonly answer: MessageShape<O>;
  readonly changes: readonly BegunChange[];
}

/**
 * The one way in which a call writes. A request with an id has one effect, however often and at
 * whichever controller it arrives: its answer is committed together with its effect, so that no
 * crash comes between. Where the edits begin changes of config, the kept answer names them, and a
 * retry waits for the same end. A request that is only validated has no effect, and nothing of it
 * is kept.
 */
export function once<I extends DescMessage, O extends DescMessage>(
  parts: ControllerParts,
  call: WriteCall<I, O>,
  work: WriteWork<O>,
): Promise<MessageInitShape<O>> {
  const { input, output, request, context } = call;
  const id = request.validateOnly === true ? "" : request.requestId;
  return forCaller(parts, context, id, async (caller) => {
    const pace = pacing(() => parts.clock.nowMs());
    const identity = id === "" ? undefined : { id, fingerprint: await fingerprintOf(input, request, pace) };
    const begun = (identity && (await recalled(parts, identity))) ?? (await beginOrReplay(parts, call, work, caller, identity));
    const kept = "answer" in begun ? begun : readKept(output, begun.printed);
    if (kept.changes.length === 0) return kept.answer as MessageInitShape<O>;
    const ends = await Promise.all(kept.changes.map((change) => endOf(parts, change, caller.signal)));
    const answer = work.finish?.(kept.answer, new Map(ends.map((end) => [end.deployment, end]))) ?? (kept.answer as MessageInitShape<O>);
    if (identity === undefined || begun.printed === undefined) return answer;
    const whole = await printKept(output, { answer: create(output, answer), changes: [] }, pace);
    const saved = await parts.store.commit([], { request: { ...identity, answer: whole, replaces: begun.printed } });
    return saved.kind === "replayed" ? (readKept(output, saved.answer).answer as MessageInitShape<O>) : answer;
  });
}

/** A {@link KeptAnswer} as the store has it. */
interface PrintedAnswer {
  readonly printed: Json;
}

/** An answer as it was just made; printed where it is kept for a retry. */
interface MadeAnswer<O extends DescMessage> extends KeptAnswer<O>, Partial<PrintedAnswer> {}

/** Identifies a request. Another content under the same id is another request. */
interface RequestIdentity {
  readonly id: string;
  readonly fingerprint: string;
}

async function recalled({ store }: ControllerParts, { id, fingerprint }: RequestIdentity): Promise<PrintedAnswer | undefined> {
  const known = await store.recall(id, fingerprint);
  if (known?.kind === "reused") throw reused(id);
  return known?.kind === "replayed" ? { printed: known.answer } : undefined;
}

/**
 * As {@link begin}. Where it refuses the request, another try of the same request may have carried
 * it out since this one asked for its answer, and what that try wrote may be the cause of the
 * refusal. Then this try has the same answer.
 */
async function beginOrReplay<I extends DescMessage, O extends DescMessage>(
  parts: ControllerParts,
  call: WriteCall<I, O>,
  work: WriteWork<O>,
  caller: Caller,
  identity: RequestIdentity | undefined,
): Promise<MadeAnswer<O> | PrintedAnswer> {
  try {
    return await begin(parts, call, work, caller, identity);
  } catch (refused) {
    const recalledAnswer = identity && refused instanceof StatusError ? await recalled(parts, identity) : undefined;
    if (recalledAnswer === undefined) throw refused;
    return recalledAnswer;
  }
}

/** Writes, and returns the answer; printed where it is kept for a retry. */
async function begin<I extends DescMessage, O extends DescMessage>(
  parts: ControllerParts,
  { output }: WriteCall<I, O>,
  { prepare, plan, answer }: WriteWork<O>,
  caller: Caller,
  identity: RequestIdentity | undefined,
): Promise<MadeAnswer<O> | PrintedAnswer> {
  await prepare?.(caller);
  const keptOf = async (made: readonly MadeEdit[]): Promise<KeptAnswer<O>> => ({
    answer: create(output, await answer(made)),
    changes: made.flatMap(({ begins }) => (begins === undefined ? [] : begunChange(begins))),
  });
  let kept: MadeAnswer<O> | undefined;
  const request = identity && {
    ...identity,
    answer: async (made: readonly MadeEdit[]) => {
      const first = await keptOf(made);
      const printed = await printKept(
        output,
        first,
        pacing(() => parts.clock.nowMs()),
      );
      kept = { ...first, printed };
      return printed;
    },
  };
  const result = await commitInTurn(parts, () => plan(caller), request);
  if (result.kind === "replayed") return { printed: result.answer };
  return kept ?? keptOf(result.made);
}

function begunChange({ deployment, uid, id, generation }: BegunChange): BegunChange {
  return { deployment, uid, id, generation };
}

async function printKept<O extends DescMessage>(output: O, { answer, changes }: KeptAnswer<O>, pace: Pace): Promise<Json> {
  return { answer: await jsonInParts(output, answer, pace), changes: changes.map((change) => ({ ...change })) };
}

function readKept<O extends DescMessage>(output: O, printed: Json): KeptAnswer<O> {
  const kept = printed as unknown as { readonly answer?: JsonValue; readonly changes: readonly BegunChange[] };
  // Version 0.1.0 kept the answer alone.
  const { answer, changes } = "answer" in kept ? kept : { answer: printed as JsonValue, changes: [] };
  return { answer: fromJson(output, answer ?? {}, { ignoreUnknownFields: true }), changes };
}

/** A digest of a request's content; the order of entries in its maps does not matter. */
async function fingerprintOf<D extends DescMessage>(schema: D, message: MessageShape<D>, pace: Pace): Promise<string> {
  const hash = createHash("sha256").update(`${schema.typeName}\n{`);
  const fields = Object.entries((await jsonInParts(schema, message, pace)) as JsonObject).sort(byName);
  for (const [index, [name, value]] of fields.entries()) {
    hash.update(`${index === 0 ? "" : ","}${JSON.stringify(name)}:`);
    if (!Array.isArray(value)) hash.update(sorted(value));
    else await digestItems(hash, value, pace);
    await pace();
  }
  return hash.update("}").digest("base64");
}

async function digestItems(hash: Hash, items: readonly Json[], pace: Pace): Promise<void> {
  hash.update("[");
  for (const [index, item] of items.entries()) {
    hash.update(`${index === 0 ? "" : ","}${sorted(item)}`);
    await pace();
  }
  hash.update("]");
}

/** As `JSON.stringify`, with the names of each object in order. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(byName)) : inner,
  );
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
