import type { ProgressRecord } from "../../core/deployment.ts";
import type { Write } from "../store.ts";

/**
 * Writes the leader's progress with a deployment. `version`: the version that the writer read; 0:
 * there is no record yet.
 */
export function putProgress(deployment: string, value: ProgressRecord, version: number): Write {
  return { put: "progress", key: deployment, version, value };
}
