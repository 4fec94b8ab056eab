import { create, fromJson, type JsonValue, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { timestampFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  type ConfigSchema,
  type ReconfigureRequest,
  ReconfigureRequestSchema,
  ReconfigureResponseSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { ConfigChangeRecord, ConfigRecord } from "../core/config-change.ts";
import type { DeploymentRecord, DeploymentSpec } from "../core/deployment.ts";
import { type FieldViolation, refusal } from "../core/errors.ts";
import { changing, sameConfig } from "../core/generations.ts";
import type { Mirror } from "../store/mirror.ts";
import { type Caller, forCaller } from "./caller.ts";
import { changeable, oneAfterTheOther } from "./changeable.ts";
import { beginWrite, expectAccepted, replicasToMessage, untilOver } from "./config-changes.ts";
import type { ControllerParts, Handlers } from "./controller-parts.ts";
import { jsonOf, userConfigViolations } from "./convert.ts";
import { answerOf, fingerprintOf, mutate, reused } from "./mutations.ts";
import { notFound } from "./refusals.ts";

const idLength = 16;

type Answer = MessageInitShape<typeof ReconfigureResponseSchema>;

/** Configs of running replicas. */
export function reconfigureHandlers(parts: ControllerParts): Handlers<"reconfigure" | "listConfigs"> {
  const { mirror, view } = parts;
  return {
    reconfigure: (request, context) => forCaller(parts, context, request.requestId, (caller) => reconfigure(parts, request, caller)),
    listConfigs: async ({ name }) => {
      await view.catchUp();
      const record = view.record(name);
      const configs = keptConfigs(mirror, record).toReversed();
      return { configs: configs.map((config) => configToMessage(config, record)) };
    },
  };
}

/** The oldest first. */
function keptConfigs(mirror: Mirror, deployment: DeploymentRecord): readonly ConfigRecord[] {
  return mirror
    .lineage(deployment)
    .configs()
    .map(({ value }) => value);
}

export function reconfigureViolations({ userConfig }: ReconfigureRequest): readonly FieldViolation[] {
  return userConfigViolations(userConfig, "user_config");
}

async function reconfigure(parts: ControllerParts, request: ReconfigureRequest, { author, signal }: Caller): Promise<Answer> {
  const { store, mirror } = parts;
  const { name, requestId, validateOnly: dryRun } = request;
  const kept = requestId === "" ? undefined : { id: requestId, fingerprint: fingerprintOf(ReconfigureRequestSchema, request) };
  const known = kept && (await answeredBefore(parts, name, kept, signal));
  if (known !== undefined) return known;
  const change = await oneAfterTheOther(parts, async () => {
    await mirror.catchUp();
    const before = changeable((await store.get("deployment", name))?.value ?? notFound(name));
    const spec = wantedSpec(parts, before, request);
    if (sameConfig(before.spec, spec)) return undefined;
    const id = parts.random.id(idLength);
    const begin = { spec, dryRun, author, ...(kept && { request: kept }) };
    await mutate(store, {
      name,
      change: (now) => {
        if (now?.generation !== before.generation)
          throw refusal("CONFLICT", `deployment "${name}" was changed meanwhile: try again`, { retryAfterMs: 100 });
        return changing(changeable(now), id, dryRun);
      },
      beside: (after) => [beginWrite(parts, after, begin)],
    });
    return untilOver(parts, name, id, signal);
  });
  const answer = answerTo(parts, name, change && expectAccepted(change));
  if (kept === undefined) return answer;
  const result = await store.commit([], {
    request: { ...kept, answer: toJsonString(ReconfigureResponseSchema, create(ReconfigureResponseSchema, answer)) },
  });
  return result.kind === "replayed" ? answerOf(ReconfigureResponseSchema, result.answer) : answer;
}

/** The answer to an earlier try of the same request; undefined: there was none. */
async function answeredBefore(
  parts: ControllerParts,
  name: string,
  request: { readonly id: string; readonly fingerprint: string },
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const recalled = await parts.store.recall(request.id, request.fingerprint);
  if (recalled?.kind === "replayed") return answerOf(ReconfigureResponseSchema, recalled.answer);
  if (recalled !== undefined) throw reused(request.id);
  await parts.mirror.catchUp();
  const change = parts.mirror.changes().get(name)?.value;
  if (change?.request?.id !== request.id) return undefined;
  if (change.request.fingerprint !== request.fingerprint) throw reused(request.id);
  return answerTo(parts, name, expectAccepted(await untilOver(parts, name, change.id, signal)));
}

/** `change` undefined: the config in use is the one that is wanted. */
function answerTo({ view }: ControllerParts, name: string, change: ConfigChangeRecord | undefined): Answer {
  const record = view.record(name);
  const configGeneration = BigInt(change?.step === "COMMITTED" ? change.generation : record.configGeneration);
  return { deployment: view.compose(record), configGeneration, replicas: change === undefined ? [] : replicasToMessage(change) };
}

function wantedSpec(
  { mirror }: ControllerParts,
  before: DeploymentRecord,
  { userConfig, toGeneration }: ReconfigureRequest,
): DeploymentSpec {
  const json = jsonOf(userConfig);
  if (toGeneration === 0n) return json === undefined ? before.spec : { ...before.spec, userConfig: json };
  const { name } = before.spec;
  const kept = keptConfigs(mirror, before);
  const found = kept.find(({ generation }) => generation === Number(toGeneration));
  if (found === undefined) {
    const there = kept.map(({ generation }) => generation).join(", ");
    throw refusal("CONFIG_NOT_FOUND", `deployment "${name}" has no config of generation ${toGeneration}; there are: ${there}`, {
      metadata: { deployment: name, config_generation: String(toGeneration) },
    });
  }
  if (found.userConfig === undefined && before.spec.userConfig !== undefined) {
    throw refusal(
      "RECONFIGURE_REFUSED",
      `the config of generation ${toGeneration} has no user_config, and no running program can be told that it has none any more: deploy without it`,
    );
  }
  const { maxOngoingRequests } = found;
  return { ...before.spec, maxOngoingRequests, ...(found.userConfig === undefined ? {} : { userConfig: found.userConfig }) };
}

function configToMessage(config: ConfigRecord, { configGeneration }: DeploymentRecord): MessageInitShape<typeof ConfigSchema> {
  const { generation, userConfig, maxOngoingRequests, revision, atMs, author } = config;
  return {
    configGeneration: BigInt(generation),
    ...(userConfig === undefined ? {} : { userConfig: fromJson(ValueSchema, userConfig as JsonValue) }),
    maxOngoingRequests,
    revision: BigInt(revision),
    time: timestampFromMs(atMs),
    author,
    current: generation === configGeneration,
  };
}
