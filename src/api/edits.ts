import type { Pace } from "../clock/breathe.ts";
import type { Clock } from "../clock/clock.ts";
import type { ConfigChangeRecord } from "../core/config-change.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import { refusal, type StatusError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Mirror } from "../store/mirror.ts";
import type { CommitOptions, Entry, Store, Write } from "../store/store.ts";
import { beginChange } from "../store/writes/change-writes.ts";
import { deploymentWrites } from "../store/writes/deployment-writes.ts";

/** How often an edit is tried while other writers keep being faster. */
const triesMax = 5;

/** What an edit makes of one deployment. */
export interface Edit {
  /**
   * The deployment afterwards. The record from before: nothing is written. Undefined: there is
   * none.
   */
  readonly after: DeploymentRecord | undefined;
  /** The change of config that begins with it. */
  readonly begins?: ConfigChangeRecord;
}

/** An edit together with what it was made from. */
export interface MadeEdit extends Edit {
  readonly name: string;
  readonly before: DeploymentRecord | undefined;
}

/** Edits of deployments, to be written in one commit, or not at all. */
export interface EditPlan {
  /** The deployments, each once; called again at each try. */
  readonly names: () => Promise<readonly string[]>;
  /**
   * The edit of one deployment; "changing": it takes none until its change of config is over.
   * Throws the refusal that the caller gets. In both cases nothing is written.
   */
  readonly edit: (before: DeploymentRecord | undefined, name: string) => Edit | "changing";
  /** The caller's name; empty: not known. */
  readonly author: string;
  /** The pace at which many edits are made. Unset: at once. */
  readonly pace?: Pace;
}

/** Nothing was written, as a change of config of this deployment is in progress. */
interface Changing {
  readonly kind: "changing";
  readonly name: string;
}

/** Where edits are written. */
export interface EditStores {
  readonly store: Store;
  readonly mirror: Mirror;
}

/** The request that edits are made for. Its answer is written with them, for a retry. */
export interface EditRequest extends Pick<NonNullable<CommitOptions["request"]>, "id" | "fingerprint"> {
  readonly answer: (made: readonly MadeEdit[]) => Promise<Json>;
}

export type EditResult =
  | { readonly kind: "done"; readonly made: readonly MadeEdit[] }
  /** The request was carried out before, with this answer. */
  | { readonly kind: "replayed"; readonly answer: Json }
  | Changing;

/**
 * Reads deployments, edits and writes them, all or none. Reads them again if another writer was
 * faster.
 */
export async function commitEdits({ store, mirror }: EditStores, plan: EditPlan, request?: EditRequest): Promise<EditResult> {
  let names: readonly string[] = [];
  for (let tries = 0; tries < triesMax; tries++) {
    const planned = await makeEdits(store, plan);
    if (planned.kind === "changing") return planned;
    const made = planned.edits;
    names = made.map(({ name }) => name);
    const writes: Write[] = [];
    for (const { entry, before, after, begins } of made) {
      if (after === undefined || after === before) continue;
      writes.push(...deploymentWrites(mirror, after, entry, plan.author), ...(begins === undefined ? [] : [beginChange(mirror, begins)]));
      await plan.pace?.();
    }
    if (writes.length === 0 && request === undefined) return { kind: "done", made };
    const result = await store.commit(writes, request === undefined ? {} : { request: { ...request, answer: await request.answer(made) } });
    if (result.kind === "committed") return { kind: "done", made };
    if (result.kind === "replayed") return result;
    if (result.kind === "reused") throw reused(request?.id ?? "");
    if (result.kind === "fenced") throw new Error("a client's write needs no lease");
  }
  const which = names.length === 1 ? `deployment "${names[0]}"` : "these deployments";
  throw refusal("CONFLICT", `others keep changing ${which}: try again`, { retryAfterMs: 100 });
}

/** The edits of a plan, made of the deployments as they are now. Writes nothing. */
export async function makeEdits(
  store: Store,
  { names, edit, pace }: EditPlan,
): Promise<{ readonly kind: "made"; readonly edits: readonly StoredEdit[] } | Changing> {
  const all = await names();
  const entries = await Promise.all(all.map((name) => store.get("deployment", name)));
  const edits: StoredEdit[] = [];
  for (const [index, name] of all.entries()) {
    const entry = entries[index];
    const made = edit(entry?.value, name);
    if (made === "changing") return { kind: "changing", name };
    edits.push({ name, entry, before: entry?.value, ...made });
    await pace?.();
  }
  return { kind: "made", edits };
}

type StoredEdit = MadeEdit & { readonly entry: Entry<"deployment"> | undefined };

/** The refusal of a request id that came with another request before. */
export function reused(requestId: string): StatusError {
  return refusal("REQUEST_ID_REUSED", `request_id "${requestId}" was used for another request: use a new id`);
}

/** When an edit is made: the clock's time, but never before the last one. */
export function editTimeMs(clock: Pick<Clock, "nowMs">, before: DeploymentRecord | undefined): number {
  return Math.max(clock.nowMs(), before?.updatedAtMs ?? 0);
}
