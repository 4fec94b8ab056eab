import type { ConfigChangeRecord } from "../../core/config-change.ts";
import type { Mirror } from "../mirror.ts";
import type { Write } from "../store.ts";

/** Writes a step of a change of config. `version`: the version that the writer read. */
export function putChange(value: ConfigChangeRecord, version: number): Write {
  return { put: "change", key: value.deployment, version, value };
}

/** Writes the first step of a change of config, over the last change of that deployment. */
export function beginChange(mirror: Mirror, value: ConfigChangeRecord): Write {
  return putChange(value, mirror.changes().get(value.deployment)?.version ?? 0);
}
