import { InvokeService } from "../../../gen/drover/v1/invoke_service_pb.ts";
import { StatusError } from "../../core/errors.ts";
import { isProgramService } from "../../core/traffic/standard-services.ts";
import { readDescriptors } from "../../rpc/reflection.ts";
import { broken, expectThat, type Outcome, unchecked } from "../outcome.ts";
import type { ReplicaUnderTest } from "../replica-under-test.ts";

/** The longest that reflection may take. */
const reflectionMs = 10_000;
/** Time between two health checks of a replica that starts. */
const healthMs = 50;

/**
 * Checks that the replica serves within the start-up time: a program that loads a model answers
 * NOT_SERVING until then.
 */
export async function checkHealth({ talk, checklist, testbed, nowMs }: ReplicaUnderTest, startMs: number): Promise<void> {
  const endMs = nowMs() + startMs;
  await checklist.check("health.serving", async () => {
    for (;;) {
      const status = await talk.checkHealth();
      if (status === "SERVING") return undefined;
      if (nowMs() >= endMs || checklist.gone !== undefined) return broken("SERVING", status);
      await testbed.sleep(healthMs);
    }
  });
}

/**
 * Checks how the gateway finds a program's services: by GetInfo, or else by reflection. `named` are
 * those of GetInfo; undefined: there is no GetInfo.
 */
export async function checkServices(replica: ReplicaUnderTest, named: readonly string[] | undefined): Promise<void> {
  const { checklist } = replica;
  const listed = await listedServices(replica);
  const invocable = [named ?? [], listed].some((services) => services.includes(InvokeService.typeName));
  replica.learnServices({ controllable: named !== undefined, invocable });
  await checklist.check("services.reflection", async () => reflectionOutcome(listed, named));
  await checklist.check("services.info", async () => {
    if (named === undefined) return unchecked(noReplicaService);
    if (typeof listed === "string") return unchecked(`there is no reflection to compare it with (${listed})`);
    const text = (names: readonly string[]) => names.toSorted().join(", ") || "none";
    return text(named) === text(listed) ? undefined : broken(`those that reflection lists: ${text(listed)}`, text(named));
  });
}

/** Why the sentences about ReplicaService are not checked. */
export const noReplicaService =
  "the program does not serve drover.replica.v1.ReplicaService: the gateway counts its load, and user_config cannot be given to it";

function reflectionOutcome(listed: readonly string[] | string, named: readonly string[] | undefined): Outcome | undefined {
  if (named === undefined) {
    expectThat(typeof listed !== "string", "reflection, or requests find it only by the metadata key drover-deployment", String(listed));
    return listed.length > 0 ? undefined : broken("its own services", "none but those of gRPC itself");
  }
  if (typeof listed === "string")
    return unchecked(`it has no reflection (${listed}): the gateway uses GetInfo, and clients see no descriptors`);
  return named.length === 0 && listed.length === 0 ? unchecked("the program has no gRPC services of its own") : undefined;
}

/** The services that take requests, by reflection; or the error that reflection ended with. */
async function listedServices({ talk, testbed }: ReplicaUnderTest): Promise<readonly string[] | string> {
  const late = new AbortController();
  const over = new AbortController();
  void testbed.sleep(reflectionMs, over.signal).then(() => late.abort(new StatusError("DEADLINE_EXCEEDED", "no answer within 10 s")));
  try {
    const services = await (await readDescriptors(talk.channel, late.signal)).services();
    return services.filter((name) => name === InvokeService.typeName || isProgramService(name));
  } catch (error) {
    if (error instanceof StatusError) return error.code;
    throw error;
  } finally {
    over.abort();
  }
}
