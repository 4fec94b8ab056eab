import { create, type DescMessage, type MessageInitShape, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import {
  type ApplyRequest,
  ApplyRequestSchema,
  ApplyResponseSchema,
  type DeleteDeploymentRequest,
  type DeployRequest,
  DeployRequestSchema,
  DeployResponseSchema,
  Effect,
  type ScaleRequest,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import type { ConfigChangeRecord } from "../core/config-change.ts";
import type { DeploymentRecord, DeploymentSpec } from "../core/deployment.ts";
import { effectOf } from "../core/effect.ts";
import { type FieldViolation, refusal } from "../core/errors.ts";
import { changing, firstRecord, nextRecord, scaled } from "../core/generations.ts";
import { configWrites } from "../store/writes/config-writes.ts";
import { revisionWrites } from "../store/writes/revision-writes.ts";
import { type Caller, forCaller } from "./caller.ts";
import { changeable, changeExisting, oneAfterTheOther } from "./changeable.ts";
import { changesToMessage } from "./changes.ts";
import { beginWrite, expectAccepted, replicasToMessage, untilOver } from "./config-changes.ts";
import type { ControllerParts, Handlers } from "./controller-parts.ts";
import { specFromMessage, specViolations } from "./convert.ts";
import {
  answerOf,
  type Changed,
  type Changes,
  changedBy,
  changeTimeMs,
  fingerprintOf,
  type Mutations,
  mutate,
  mutateAll,
  reused,
} from "./mutations.ts";
import { notFound } from "./refusals.ts";

const uidLength = 20;

/** Writes of what should run. */
export function deployHandlers(parts: ControllerParts): Handlers<"deploy" | "apply" | "scale" | "deleteDeployment"> {
  return {
    deploy: (request, context) => forCaller(parts, context, request.requestId, (caller) => deploy(parts, request, caller)),
    apply: (request, context) => forCaller(parts, context, request.requestId, (caller) => apply(parts, request, caller)),
    scale: (request) => scale(parts, request),
    deleteDeployment: (request) => remove(parts, request),
  };
}

export function deployViolations({ spec }: DeployRequest): readonly FieldViolation[] {
  return spec === undefined ? [] : specViolations(spec, "spec");
}

export function applyViolations({ specs }: ApplyRequest): readonly FieldViolation[] {
  const first = new Map<string, number>();
  return specs.flatMap((spec, index) => {
    const before = first.get(spec.name);
    first.set(spec.name, before ?? index);
    const description = `must be another than that of specs[${before}] (got ${JSON.stringify(spec.name)})`;
    return [...(before === undefined ? [] : [{ field: `specs[${index}].name`, description }]), ...specViolations(spec, `specs[${index}]`)];
  });
}

/** What is to run. */
interface Wish {
  readonly specs: readonly DeploymentSpec[];
  /** Delete all others. */
  readonly prune: boolean;
  /** Of the only spec; unset: whatever it is. */
  readonly expectedGeneration?: bigint | undefined;
}

type Outcome = MessageInitShape<typeof ApplyResponseSchema> & { readonly results: MessageInitShape<typeof DeployResponseSchema>[] };

async function deploy(
  parts: ControllerParts,
  request: DeployRequest,
  caller: Caller,
): Promise<MessageInitShape<typeof DeployResponseSchema>> {
  if (request.spec === undefined) throw new Error("validation lets no request without a spec through");
  const { expectedGeneration } = request;
  const wish = { specs: [specFromMessage(request.spec)], prune: false, expectedGeneration };
  const [input, output] = [DeployRequestSchema, DeployResponseSchema];
  return fulfil(parts, wish, { input, output, request, caller, answer: ({ results: [result = {}] }) => result });
}

async function apply(parts: ControllerParts, request: ApplyRequest, caller: Caller): Promise<MessageInitShape<typeof ApplyResponseSchema>> {
  const wish = { specs: request.specs.map(specFromMessage), prune: request.prune };
  const [input, output] = [ApplyRequestSchema, ApplyResponseSchema];
  return fulfil(parts, wish, { input, output, request, caller, answer: (outcome) => outcome });
}

/** The call that a wish came with. */
interface Call<I extends DescMessage, O extends DescMessage> {
  readonly input: I;
  readonly output: O;
  readonly request: MessageShape<I> & { readonly requestId: string; readonly validateOnly: boolean };
  readonly caller: Caller;
  readonly answer: (outcome: Outcome) => MessageInitShape<O>;
}

/** Does all of a wish or nothing, or says what it would do. */
async function fulfil<I extends DescMessage, O extends DescMessage>(
  parts: ControllerParts,
  wish: Wish,
  { input, output, request, caller, answer }: Call<I, O>,
): Promise<MessageInitShape<O>> {
  const { store } = parts;
  const { requestId, validateOnly } = request;
  const answerTo = (changed: readonly Changed[], ends: Ends = new Map()) => answer(outcomeOf(parts, wish, changed, ends));
  if (validateOnly) return answerTo(await changedBy(store, changesOf(parts, wish, "")));
  const kept = requestId === "" ? undefined : { id: requestId, fingerprint: fingerprintOf(input, request) };
  const text = (message: MessageInitShape<O>) => toJsonString(output, create(output, message));
  const save = async (request: NonNullable<typeof kept>, told: MessageInitShape<O>) => {
    const saved = await store.commit([], { request: { ...request, answer: text(told) } });
    return saved.kind === "replayed" ? (answerOf(output, saved.answer) as MessageInitShape<O>) : told;
  };
  const earlier = kept && (await begunBefore(parts, wish, kept, caller));
  if (kept !== undefined && earlier !== undefined) return save(kept, answerTo(earlier.changed, earlier.ends));
  // Of several, each config is asked for before anything is written: all or none.
  if (wish.specs.length > 1) await makeChanges(parts, wish, caller, { dryRun: true });
  const result = await oneAfterTheOther(parts, () => {
    // What is not known before the replicas have answered is kept afterwards.
    const known = (changed: readonly Changed[]) => (changed.some(begins) ? undefined : text(answerTo(changed)));
    return begin(parts, wish, caller, { dryRun: false, ...(kept && { request: { ...kept, answer: known } }) });
  });
  if (result.kind === "replayed") return answerOf(output, result.answer) as MessageInitShape<O>;
  const ends = await endsOf(parts, result.changed, caller);
  const told = answerTo(result.changed, ends);
  return kept === undefined || ends.size === 0 ? told : save(kept, told);
}

/** The changes of config that a wish took, by deployment, once they are over. */
type Ends = ReadonlyMap<string, ConfigChangeRecord>;

interface Beginning {
  /** Only ask whether the configs would be taken. */
  readonly dryRun: boolean;
  readonly request?: NonNullable<Mutations["request"]>;
}

/** Writes what is wanted; where that is another config for running replicas, that its change begins. */
function begin(parts: ControllerParts, wish: Wish, { author }: Caller, { dryRun, request }: Beginning) {
  const { store, mirror } = parts;
  const id = parts.random.id(uidLength);
  const specs = new Map(wish.specs.map((spec) => [spec.name, spec]));
  const { names, change } = changesOf(parts, wish, id);
  return mutateAll(store, {
    names,
    change: (before, name) => {
      const after = change(before, name);
      if (!dryRun || after === undefined || before === undefined) return dryRun ? before : after;
      return begins({ name, before, after }) ? changing(before, id, dryRun) : before;
    },
    beside: (after, before) => {
      if (after.deletingSinceMs !== undefined) return [];
      const spec = specs.get(after.spec.name);
      const asked = request === undefined ? {} : { request: { id: request.id, fingerprint: request.fingerprint } };
      if (spec !== undefined && begins({ name: spec.name, before, after }))
        return [beginWrite(parts, after, { spec, dryRun, author, ...asked })];
      return [...revisionWrites(mirror, after, before), ...configWrites(mirror, after, before, author)];
    },
    ...(request && { request }),
  });
}

async function makeChanges(parts: ControllerParts, wish: Wish, caller: Caller, beginning: Beginning): Promise<void> {
  const result = await oneAfterTheOther(parts, () => begin(parts, wish, caller, beginning));
  if (result.kind === "done") await endsOf(parts, result.changed, caller);
}

/** Waits until the changes that have begun are over. Throws what the first that was refused was refused for. */
async function endsOf(parts: ControllerParts, changed: readonly Changed[], { signal }: Caller): Promise<Ends> {
  const begun = changed.filter(begins);
  const ends = await Promise.all(begun.map(({ name, after }) => untilOver(parts, name, after?.changing ?? "", signal)));
  return new Map(ends.map((change) => [change.deployment, expectAccepted(change)]));
}

/** What an earlier try of the same request came to, once that is over; undefined: it began no change of config. Throws what it was told. */
async function begunBefore(
  parts: ControllerParts,
  { specs }: Wish,
  { id, fingerprint }: { readonly id: string; readonly fingerprint: string },
  { signal }: Caller,
): Promise<{ readonly changed: readonly Changed[]; readonly ends: Ends } | undefined> {
  const { mirror } = parts;
  await mirror.catchUp();
  const begun = specs.flatMap(({ name }) => mirror.changes().get(name)?.value ?? []).filter(({ request }) => request?.id === id);
  if (begun.length === 0) return undefined;
  if (begun.some(({ request }) => request?.fingerprint !== fingerprint)) throw reused(id);
  const changed = specs.map(({ name }): Changed => {
    const record = mirror.deployment(name)?.value;
    return { name, before: record, after: record };
  });
  const ends = await Promise.all(begun.map((change) => untilOver(parts, change.deployment, change.id, signal)));
  return { changed, ends: new Map(ends.map((change) => [change.deployment, expectAccepted(change)])) };
}

/** Whether a change of its config began. */
const begins = ({ before, after }: Changed): boolean => after?.changing !== undefined && after.changing !== before?.changing;

/** The specs' deployments in their order, then, for `prune`, all others by name. */
function changesOf({ mirror, clock, random }: ControllerParts, { specs, prune, expectedGeneration }: Wish, changeId: string): Changes {
  const wanted = new Map(specs.map((spec) => [spec.name, { spec, uid: random.id(uidLength) }]));
  return {
    names: async () => {
      await mirror.catchUp();
      const others = prune ? [...mirror.deployments().keys()].filter((name) => !wanted.has(name)) : [];
      return [...wanted.keys(), ...others.sort()];
    },
    change: (before, name) => {
      const nowMs = changeTimeMs(clock, before);
      const { spec, uid } = wanted.get(name) ?? {};
      if (spec === undefined || uid === undefined) return before && deleted(before, nowMs);
      expectGeneration(name, before, expectedGeneration);
      if (before === undefined) return firstRecord(spec, uid, nowMs);
      const reconfigures = changeId !== "" && effectOf(before.spec, spec) === "RECONFIGURE";
      return reconfigures ? changing(changeable(before), changeId) : nextRecord(changeable(before), spec, nowMs);
    },
  };
}

function outcomeOf({ view }: ControllerParts, { specs }: Wish, changed: readonly Changed[], ends: Ends): Outcome {
  return {
    results: specs.map((spec, index) => {
      const { before, after } = changed[index] ?? {};
      const end = ends.get(spec.name);
      const deployment = end === undefined ? after && view.compose(after) : view.current(spec.name);
      return {
        ...(deployment && { deployment }),
        ...changesToMessage(before?.spec, spec),
        ...(end && { effect: Effect.RECONFIGURE, replicas: replicasToMessage(end) }),
      };
    }),
    pruned: changed.slice(specs.length).flatMap(({ name, before, after }) => (after === before ? [] : name)),
  };
}

function expectGeneration(name: string, before: DeploymentRecord | undefined, expected: bigint | undefined): void {
  const generation = before?.generation ?? 0;
  if (expected === undefined || Number(expected) === generation) return;
  throw refusal("CONFLICT", `deployment "${name}" is at generation ${generation}, not ${expected}: read it again`, {
    metadata: { deployment: name, generation: String(generation) },
  });
}

/** The record with its deletion begun; the same record if it is. */
function deleted(record: DeploymentRecord, nowMs: number): DeploymentRecord {
  if (record.deletingSinceMs !== undefined) return record;
  return { ...record, generation: record.generation + 1, updatedAtMs: nowMs, deletingSinceMs: nowMs };
}

async function scale(parts: ControllerParts, { name, numReplicas }: ScaleRequest): Promise<{ readonly deployment: Deployment }> {
  const record = await changeExisting(parts, name, {
    change: (before) => {
      if (before.spec.autoscalingConfig !== undefined) throw autoscales(name);
      return numReplicas === undefined ? before : scaled(before, numReplicas, changeTimeMs(parts.clock, before));
    },
  });
  return { deployment: parts.view.compose(record) };
}

function autoscales(name: string): Error {
  const text = `the number of replicas of deployment "${name}" follows its load: deploy it with num_replicas instead of autoscaling_config, or change the bounds there`;
  return refusal("AUTOSCALED", text, { metadata: { deployment: name } });
}

async function remove(
  { store, clock, view }: ControllerParts,
  { name, allowMissing }: DeleteDeploymentRequest,
): Promise<{ readonly deployment?: Deployment }> {
  const result = await mutate(store, {
    name,
    change: (before) => {
      if (before === undefined) return allowMissing ? undefined : notFound(name);
      return deleted(before, changeTimeMs(clock, before));
    },
  });
  return result.kind === "done" && result.record !== undefined ? { deployment: view.compose(result.record) } : {};
}
