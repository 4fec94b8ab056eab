import type { DeploymentRecord } from "../../../src/core/deployment.ts";
import type { Facts, Verdict, Written } from "./facts.ts";

/**
 * I15. An `Apply` of an application touches no deployment of another one. With `prune`, what is left of
 * the application is what was asked for. Nothing else moves a deployment to another application.
 */
export function applications({ ledger, applies }: Facts, { writes, options }: Written): Verdict {
  const asked = applies.get(options.request?.id ?? "");
  const after = new Map(ledger.deployments);
  for (const write of writes) {
    if (!("put" in write) || write.put !== "deployment") continue;
    const before = ledger.deployments.get(write.key);
    const from = before?.uid === write.value.uid ? before.spec.application : undefined;
    const to = write.value.spec.application;
    after.set(write.key, write.value);
    if (asked !== undefined && (from ?? asked.application) !== asked.application)
      return wrong(`Apply of ${asked.application} wrote ${write.key} of ${from}`);
    if (asked === undefined && from !== to) return wrong(`${write.key} went from application ${from} to ${to}`);
    if (asked !== undefined && from === undefined && !asked.names.includes(write.key))
      return wrong(`Apply of ${asked.application} wrote ${write.key}, which is of no application`);
  }
  if (asked === undefined) return undefined;
  const isOf = ({ spec, deletingSinceMs }: DeploymentRecord) => spec.application === asked.application && deletingSinceMs === undefined;
  const left = [...after].flatMap(([name, record]) => (isOf(record) ? name : []));
  const missing = asked.names.find((name) => !left.includes(name));
  if (missing !== undefined) return wrong(`Apply of ${asked.application} left ${missing} out`);
  const extra = asked.prune ? left.find((name) => !asked.names.includes(name)) : undefined;
  return extra === undefined ? undefined : wrong(`Apply of ${asked.application} did not prune ${extra}`);
}

const wrong = (text: string): Verdict => ({ invariant: "I15", text });
