import { create, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import {
  type ApplyRequest,
  ApplyRequestSchema,
  ApplyResponseSchema,
  type DeployRequest,
  DeployRequestSchema,
  DeployResponseSchema,
  Effect,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { DeploymentSpec } from "../core/deployment.ts";
import type { FieldViolation } from "../core/errors.ts";
import type { CallContext } from "../rpc/service.ts";
import { commitInTurn, previewEdits } from "./commit-in-turn.ts";
import { type ChangeEnd, endOf } from "./config-change-end.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { specFromMessage } from "./convert.ts";
import { replicasToMessage } from "./convert-outcomes.ts";
import type { MadeEdit } from "./edits.ts";
import { expectSame } from "./expectations.ts";
import { fieldChangesToMessage } from "./field-changes.ts";
import { checkBundles, type RequestedSpec } from "./kept-bundles.ts";
import { once, type WriteWork } from "./once.ts";
import type { RequestCheck } from "./request-check.ts";
import { type SpecRules, specViolations } from "./spec-violations.ts";
import { paceOf, planOf, type WantedSpecs, wantedByApply } from "./wanted-specs.ts";

/** Writes of whole specs. */
export function deployHandlers(parts: ControllerParts): ControllerHandlers<"deploy" | "apply"> {
  return {
    deploy: (request, context) => deploy(parts, request, context),
    apply: (request, context) => apply(parts, request, context),
  };
}

export function deployChecks({ spec }: DeployRequest, rules: SpecRules): readonly RequestCheck[] {
  return spec === undefined ? [] : [() => specViolations(spec, "spec", rules)];
}

export function applyChecks(request: ApplyRequest, rules: SpecRules): readonly RequestCheck[] {
  return [
    () => applicationViolations(request),
    () => nameViolations(request),
    ...request.specs.map((spec, index) => () => specViolations(spec, rootOf(index), rules)),
  ];
}

/** The path of a spec in an `ApplyRequest`. */
const rootOf = (index: number): string => `specs[${index}]`;

function applicationViolations({ specs, application, prune }: ApplyRequest): readonly FieldViolation[] {
  const description = "must be 1 to 500 specs, or none with application and prune, which deletes the application";
  if (specs.length === 0) return application !== "" && prune ? [] : [{ field: "specs", description }];
  return specs.flatMap((spec, index) => {
    if (application === "" || spec.application === "" || spec.application === application) return [];
    const given = JSON.stringify(spec.application);
    return [{ field: `specs[${index}].application`, description: `must be "${application}", as in the request, or empty (got ${given})` }];
  });
}

function nameViolations({ specs, expectedGenerations }: ApplyRequest): readonly FieldViolation[] {
  const first = new Map<string, number>();
  const twice = specs.flatMap(({ name }, index) => {
    const before = first.get(name);
    first.set(name, before ?? index);
    const description = `must differ from the name of specs[${before}] (got ${JSON.stringify(name)})`;
    return before === undefined ? [] : [{ field: `specs[${index}].name`, description }];
  });
  const unmatched = Object.keys(expectedGenerations).filter((name) => !first.has(name));
  const description = "must be the name of one of the specs";
  return [...twice, ...unmatched.map((name) => ({ field: `expected_generations[${JSON.stringify(name)}]`, description }))];
}

type ApplyAnswer = MessageInitShape<typeof ApplyResponseSchema> & { readonly results: MessageInitShape<typeof DeployResponseSchema>[] };

async function deploy(parts: ControllerParts, request: DeployRequest, context: CallContext) {
  if (request.spec === undefined) throw new Error("validation lets no request without a spec through");
  const wish: WantedSpecs = {
    specs: [specFromMessage(request.spec)],
    redeploy: request.redeploy,
    prune: () => false,
    expect: (before, name) => expectSame(name, before, request),
  };
  const [input, output] = [DeployRequestSchema, DeployResponseSchema];
  const answer = async (made: readonly MadeEdit[]) => (await outcomeOf(parts, wish, made)).results[0] ?? {};
  const requested: readonly RequestedSpec[] = [{ spec: request.spec, root: "spec" }];
  if (request.validateOnly) return answer(await preview(parts, wish, requested));
  return once(
    parts,
    { input, output, request, context },
    { ...workOf(parts, wish, requested), answer, finish: (first, ends) => finished(parts, first, ends) },
  );
}

async function apply(parts: ControllerParts, request: ApplyRequest, context: CallContext) {
  const { application } = request;
  const specs: DeploymentSpec[] = [];
  const pace = paceOf(parts);
  for (const spec of request.specs) {
    const own = specFromMessage(spec);
    specs.push(application === "" ? own : { ...own, application });
    await pace();
  }
  const wish = wantedByApply(specs, request);
  const [input, output] = [ApplyRequestSchema, ApplyResponseSchema];
  const answer = (made: readonly MadeEdit[]) => outcomeOf(parts, wish, made);
  const requested = request.specs.map((spec, index): RequestedSpec => ({ spec, root: rootOf(index) }));
  if (request.validateOnly) return answer(await preview(parts, wish, requested));
  const finish = ({ results, pruned }: MessageShape<typeof output>, ends: ReadonlyMap<string, ChangeEnd>) => {
    return { results: results.map((result) => finished(parts, result, ends)), pruned };
  };
  return once(parts, { input, output, request, context }, { ...workOf(parts, wish, requested), answer, finish });
}

async function preview(parts: ControllerParts, wish: WantedSpecs, requested: readonly RequestedSpec[]): Promise<readonly MadeEdit[]> {
  await checkBundles(parts, requested, false);
  return previewEdits(parts, planOf(parts, wish));
}

/**
 * With several specs, replicas check each config before anything is written: all or none. A retry
 * of a request has its first answer, also where its bundle is no longer kept.
 */
function workOf(
  parts: ControllerParts,
  wish: WantedSpecs,
  requested: readonly RequestedSpec[],
): Pick<WriteWork<typeof DeployResponseSchema>, "prepare" | "plan"> {
  return {
    plan: ({ author }) => planOf(parts, wish, { dryRun: false, author }),
    prepare: async ({ author, signal }) => {
      await checkBundles(parts, requested, true);
      if (wish.specs.length < 2) return;
      const checks = await commitInTurn(parts, () => planOf(parts, wish, { dryRun: true, author }));
      const begun = checks.kind === "done" ? checks.made.flatMap(({ begins }) => begins ?? []) : [];
      await Promise.all(begun.map((change) => endOf(parts, change, signal)));
    },
  };
}

async function outcomeOf(parts: ControllerParts, { specs, redeploy }: WantedSpecs, made: readonly MadeEdit[]): Promise<ApplyAnswer> {
  const results: MessageShape<typeof DeployResponseSchema>[] = [];
  const pace = paceOf(parts);
  for (const [index, spec] of specs.entries()) {
    const { before, after, begins } = made[index] ?? {};
    const changes = fieldChangesToMessage(before?.spec, spec, redeploy);
    await pace();
    const deployment = after && { deployment: parts.view.compose(after) };
    results.push(create(DeployResponseSchema, { ...deployment, ...changes, ...(begins && { effect: Effect.RECONFIGURE }) }));
    await pace();
  }
  return {
    results,
    pruned: made.slice(specs.length).flatMap(({ name, before, after }) => (after === before ? [] : name)),
  };
}

/** The result of one spec after the change of its config, if there was one. */
function finished(
  { view }: ControllerParts,
  result: MessageShape<typeof DeployResponseSchema>,
  ends: ReadonlyMap<string, ChangeEnd>,
): MessageInitShape<typeof DeployResponseSchema> {
  const name = result.deployment?.spec?.name ?? "";
  const end = ends.get(name);
  if (end === undefined) return result;
  const deployment = view.current(name) ?? result.deployment;
  const { effect, changes } = result;
  return { ...(deployment && { deployment }), effect, changes, replicas: replicasToMessage(end) };
}
