import { type Deployment, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { StatusError } from "../core/errors.ts";
import { failureLines } from "./failure.ts";
import { printLogs } from "./print-logs.ts";
import type { Session } from "./session.ts";
import { watchDeployments } from "./watch.ts";

/** The wait before the controller is called again, when a call ended. */
const againMs = 1_000;

/** How far a deploy is, by what is seen of its deployments. */
export type DeployProgress =
  | { readonly kind: "starting" }
  | { readonly kind: "serving" }
  | { readonly kind: "failed" }
  | { readonly kind: "overtaken"; readonly lines: readonly string[] };

/**
 * Follows what becomes of deployments, and prints what their replicas print, for as long as
 * somebody edits their program. A controller that goes away is called until it is there again.
 */
export class WatchedDeployments {
  readonly #session: Session;
  readonly #onChange: () => void;
  readonly #over = new AbortController();
  readonly #seen = new Map<string, Deployment | undefined>();
  readonly #logs = new Map<string, AbortController>();
  readonly #tasks = new Set<Promise<void>>();
  #deployed: readonly Deployment[] = [];
  readonly #all = new Map<string, Deployment>();
  #watching: AbortController | undefined;
  #away: string | undefined;

  constructor(session: Session, onChange: () => void) {
    this.#session = session;
    this.#onChange = onChange;
  }

  /** All that were followed ever, without those that were deleted. */
  get left(): readonly Deployment[] {
    return [...this.#all.values()].filter((deployment) => this.#seen.get(nameOf(deployment))?.uid === deployment.uid);
  }

  /** The deployments as they were seen last. */
  get seen(): readonly Deployment[] {
    return this.#deployed.flatMap((deployment) => this.#seen.get(nameOf(deployment)) ?? []);
  }

  /** Why the controller is not seen just now. Undefined: it is. */
  get away(): string | undefined {
    return this.#away;
  }

  get progress(): DeployProgress {
    const all = this.#deployed.map((deployment) => progressOf(deployment, this.#seen.get(nameOf(deployment))));
    const lines = all.flatMap((one) => (one.kind === "overtaken" ? one.lines : []));
    if (lines.length > 0) return { kind: "overtaken", lines };
    return { kind: (["failed", "starting"] as const).find((kind) => all.some((one) => one.kind === kind)) ?? "serving" };
  }

  /** Follows these deployments from now on, and no others. */
  follow(deployed: readonly Deployment[], pruned: readonly string[]): void {
    for (const name of pruned) this.#all.delete(name);
    for (const deployment of deployed) this.#all.set(nameOf(deployment), deployment);
    const names = deployed.map(nameOf);
    const before = this.#deployed.map(nameOf);
    for (const deployment of deployed) this.#seen.set(nameOf(deployment), deployment);
    this.#deployed = deployed;
    for (const [name, over] of this.#logs) if (!names.includes(name)) over.abort();
    for (const deployment of deployed) if (!this.#logs.has(nameOf(deployment))) this.#followLogs(deployment);
    if (names.join() === before.join()) return;
    this.#watching?.abort();
    this.#watching = new AbortController();
    this.#run(this.#watch(names, AbortSignal.any([this.#over.signal, this.#watching.signal])));
  }

  async close(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#tasks);
  }

  #run(task: Promise<void>): void {
    this.#tasks.add(task);
    void task.finally(() => this.#tasks.delete(task));
  }

  async #watch(names: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#again(signal, async () => {
      for await (const { deployments, synced, changed } of watchDeployments(this.#session, names, { signal })) {
        this.#away = undefined;
        for (const name of changed === undefined ? names : [changed]) {
          const now = deployments.get(name);
          // A deployment that has not come before `synced` may still come.
          if (now !== undefined || synced) this.#seen.set(name, now);
        }
        this.#onChange();
      }
    });
  }

  #followLogs(deployment: Deployment): void {
    const name = nameOf(deployment);
    const over = new AbortController();
    const signal = AbortSignal.any([this.#over.signal, over.signal]);
    this.#logs.set(name, over);
    // What a deployment printed before somebody began to edit it is not part of the session.
    let tailLines = deployment.status?.generation === 1n ? undefined : 0;
    const follow = this.#again(signal, async () => {
      await printLogs(this.#session, [name], { follow: true, tailLines, output: "text" }, signal);
      tailLines = 0;
    });
    this.#run(follow.finally(() => this.#logs.get(name) === over && this.#logs.delete(name)));
  }

  /** Repeats a call that lasts, until the signal aborts. */
  async #again(signal: AbortSignal, call: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      try {
        await call();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof StatusError && error.code === "UNAVAILABLE") this.#noteAway(error);
      }
      await this.#session.io.sleep(againMs, signal);
    }
  }

  #noteAway(error: StatusError): void {
    this.#away = failureLines(error, this.#session.called)[0];
    this.#onChange();
  }
}

/** How far a deploy is. `wanted` is its answer, `now` what is seen of the deployment. */
function progressOf(wanted: Deployment, now: Deployment | undefined): DeployProgress {
  const name = nameOf(wanted);
  if (now === undefined || now.uid !== wanted.uid) return { kind: "overtaken", lines: [`${name} was deleted`] };
  const { state, generation = 0n, observedGeneration = 0n, revision = 0n } = now.status ?? {};
  const ours = wanted.status;
  if (state === DeploymentState.DELETING) return { kind: "overtaken", lines: [`${name} is being deleted`] };
  if (generation > (ours?.generation ?? 0n) && revision !== ours?.revision)
    return { kind: "overtaken", lines: [`${name}: revision ${ours?.revision} was replaced by revision ${revision}`] };
  if (observedGeneration < (ours?.generation ?? 0n)) return { kind: "starting" };
  if (state === DeploymentState.HEALTHY) return { kind: "serving" };
  return { kind: state === DeploymentState.DEPLOY_FAILED ? "failed" : "starting" };
}

const nameOf = ({ spec }: Deployment): string => spec?.name ?? "";
