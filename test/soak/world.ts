import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { StatusError } from "../../src/core/errors.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { alive, Drover, until } from "../e2e/drover.ts";
import type { SeededRandom } from "../sim/seeded-random.ts";

/** How long a replica is stopped at most, milliseconds. */
const stoppedMsMax = 3_000;
/** The longest that a call of the soak may take, milliseconds. */
export const callMsMax = 20_000;

/** A controller that may be another process at any time, and what the soak has open at it. */
export class World {
  readonly random: SeededRandom;
  #drover: Drover;
  #gateway: Channel;
  #restarting: Promise<void> | undefined;
  readonly #watchers = new Set<AbortController>();
  readonly #stopped = new Map<number, NodeJS.Timeout>();

  private constructor(drover: Drover, random: SeededRandom) {
    this.#drover = drover;
    this.#gateway = new Channel(drover.addresses.gateway);
    this.random = random;
  }

  static async open(random: SeededRandom): Promise<World> {
    return new World(await Drover.start(), random);
  }

  get drover(): Drover {
    return this.#drover;
  }

  get controller() {
    return this.#drover.controller;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Ends the controller with this signal, and starts the next one on the same data folder. */
  async restart(signal: NodeJS.Signals): Promise<void> {
    this.#restarting ??= (async () => {
      this.#gateway.close();
      await this.#drover.end(signal);
      this.#drover = await Drover.start([], this.#drover.dataDir);
      this.#gateway = new Channel(this.#drover.addresses.gateway);
    })().finally(() => {
      this.#restarting = undefined;
    });
    await this.#restarting;
  }

  /** Resolves when a controller runs. */
  async settled(): Promise<void> {
    await this.#restarting;
  }

  async stream(deployment: string, to: number): Promise<void> {
    const input = { case: "json" as const, value: jsonToValue(to) };
    const request = { deployment, method: "count", input };
    for await (const _ of this.#gateway.client(InvokeService).invokeServerStream(request, { deadlineMs: callMsMax }));
  }

  /** Watches all deployments until `unwatch`, or until the controller ends. */
  watch(): void {
    const watcher = new AbortController();
    this.#watchers.add(watcher);
    const { controller } = this;
    void (async () => {
      for await (const _ of controller.watchDeployments({}, { signal: watcher.signal }));
    })()
      .catch((error: unknown) => {
        if (!(error instanceof StatusError)) throw error;
      })
      .finally(() => this.#watchers.delete(watcher));
  }

  /** Ends the oldest watch. */
  unwatch(): void {
    const [watcher] = this.#watchers;
    watcher?.abort();
  }

  async pidOfReplica(deployment: string): Promise<number | undefined> {
    const running = await this.#drover.running(deployment);
    return running.length === 0 ? undefined : Number(this.random.pick(running).pid);
  }

  /** Stops a process for a moment. */
  pause(pid: number): void {
    if (this.#stopped.has(pid) || !alive(pid)) return;
    process.kill(pid, "SIGSTOP");
    this.#stopped.set(
      pid,
      setTimeout(() => this.#continue(pid), this.random.whole(100, stoppedMsMax)),
    );
  }

  /** Deletes all that is there, and resolves when nothing is left. */
  async empty(): Promise<void> {
    await this.settled();
    for (const pid of [...this.#stopped.keys()]) this.#continue(pid);
    for (const watcher of this.#watchers) watcher.abort();
    await until("all deployments are gone", async () => {
      const { deployments } = await this.controller.listDeployments({});
      for (const { spec } of deployments) await this.controller.deleteDeployment({ name: spec?.name ?? "" }).catch(() => undefined);
      return deployments.length === 0;
    });
  }

  async close(): Promise<void> {
    this.#gateway.close();
    await this.#drover.close();
  }

  #continue(pid: number): void {
    clearTimeout(this.#stopped.get(pid));
    this.#stopped.delete(pid);
    if (alive(pid)) process.kill(pid, "SIGCONT");
  }
}
