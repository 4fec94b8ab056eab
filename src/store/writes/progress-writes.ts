import type { ProgressRecord } from "../../core/deployment.ts";
import type { Write } from "../store.ts";

/** How far the leader has come with a deployment; `version` is what the writer read, 0: there is none yet. */
export function putProgress(deployment: string, value: ProgressRecord, version: number): Write {
  return { put: "progress", key: deployment, version, value };
}
