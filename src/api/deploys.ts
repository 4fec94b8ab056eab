import { create, type DescMessage, type MessageInitShape, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import {
  type ApplyRequest,
  ApplyRequestSchema,
  ApplyResponseSchema,
  type DeleteDeploymentRequest,
  type DeployRequest,
  DeployRequestSchema,
  DeployResponseSchema,
  type ScaleRequest,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import { firstRecord, nextRecord, scaled } from "../core/change.ts";
import type { DeploymentRecord, DeploymentSpec } from "../core/deployment.ts";
import { type FieldViolation, refusal } from "../core/errors.ts";
import { changeable, changeExisting, notFound } from "./changeable.ts";
import { changesToMessage } from "./changes.ts";
import type { ControllerParts, Handlers } from "./controller-parts.ts";
import { specFromMessage, specViolations } from "./convert.ts";
import { answerOf, type Changed, type Changes, changedBy, changeTimeMs, fingerprintOf, mutate, mutateAll } from "./mutations.ts";
import { revisionWrites } from "./revisions.ts";

const uidLength = 20;

/** Writes of what should run. */
export function deployHandlers(parts: ControllerParts): Handlers<"deploy" | "apply" | "scale" | "deleteDeployment"> {
  return {
    deploy: (request) => deploy(parts, request),
    apply: (request) => apply(parts, request),
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

async function deploy(parts: ControllerParts, request: DeployRequest): Promise<MessageInitShape<typeof DeployResponseSchema>> {
  if (request.spec === undefined) throw new Error("validation lets no request without a spec through");
  const { expectedGeneration } = request;
  const wish = { specs: [specFromMessage(request.spec)], prune: false, expectedGeneration };
  const [input, output] = [DeployRequestSchema, DeployResponseSchema];
  return fulfil(parts, wish, { input, output, request, answer: ({ results: [result = {}] }) => result });
}

async function apply(parts: ControllerParts, request: ApplyRequest): Promise<MessageInitShape<typeof ApplyResponseSchema>> {
  const wish = { specs: request.specs.map(specFromMessage), prune: request.prune };
  const [input, output] = [ApplyRequestSchema, ApplyResponseSchema];
  return fulfil(parts, wish, { input, output, request, answer: (outcome) => outcome });
}

/** The call that a wish came with. */
interface Call<I extends DescMessage, O extends DescMessage> {
  readonly input: I;
  readonly output: O;
  readonly request: MessageShape<I> & { readonly requestId: string; readonly validateOnly: boolean };
  readonly answer: (outcome: Outcome) => MessageInitShape<O>;
}

/** Does all of a wish or nothing, or says what it would do. */
async function fulfil<I extends DescMessage, O extends DescMessage>(
  parts: ControllerParts,
  wish: Wish,
  { input, output, request, answer }: Call<I, O>,
): Promise<MessageInitShape<O>> {
  const { store, mirror } = parts;
  const { requestId, validateOnly } = request;
  const changes = changesOf(parts, wish);
  const answerTo = (changed: readonly Changed[]) => answer(outcomeOf(parts, wish, changed));
  if (validateOnly) return answerTo(await changedBy(store, changes));
  const kept = (changed: readonly Changed[]) => toJsonString(output, create(output, answerTo(changed)));
  const result = await mutateAll(store, {
    ...changes,
    beside: (after, before) => (after.deletingSinceMs === undefined ? revisionWrites(mirror, after, before) : []),
    ...(requestId === "" ? {} : { request: { id: requestId, fingerprint: fingerprintOf(input, request), answer: kept } }),
  });
  return result.kind === "replayed" ? (answerOf(output, result.answer) as MessageInitShape<O>) : answerTo(result.changed);
}

/** The specs' deployments in their order, then, for `prune`, all others by name. */
function changesOf({ mirror, clock, random }: ControllerParts, { specs, prune, expectedGeneration }: Wish): Changes {
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
      return before === undefined ? firstRecord(spec, uid, nowMs) : nextRecord(changeable(before), spec, nowMs);
    },
  };
}

function outcomeOf({ view }: ControllerParts, { specs }: Wish, changed: readonly Changed[]): Outcome {
  return {
    results: specs.map((spec, index) => {
      const { before, after } = changed[index] ?? {};
      return { ...(after === undefined ? {} : { deployment: view.compose(after) }), ...changesToMessage(before?.spec, spec) };
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
  const record = await changeExisting(parts.store, name, (before) =>
    numReplicas === undefined ? before : scaled(before, numReplicas, changeTimeMs(parts.clock, before)),
  );
  return { deployment: parts.view.compose(record) };
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
