import type { Clock } from "../../clock/clock.ts";
import { refusal } from "../../core/errors.ts";
import type { Endpoint, Route } from "../../core/traffic/route.ts";
import type { Log } from "../../log/log.ts";
import { Channel } from "../../rpc/channel.ts";
import { type DescriptorSource, descriptorsOf, readDescriptors } from "../../rpc/reflection.ts";
import type { Routes } from "../routes.ts";

/** How long a replica may take to describe itself. */
const readMs = 2_000;
/** After how long a replica that could not describe itself is asked again. */
const retryMs = 10_000;

interface Known {
  readonly replicaId: string;
  readonly source: Promise<DescriptorSource>;
  /** Set when reading failed: when to ask again. */
  retryAtMs: number | undefined;
}

/**
 * The descriptors of the services of all deployments. They are read from one replica of each
 * deployment when they are first needed, and again when that replica is gone.
 */
export class DeploymentDescriptors implements DescriptorSource {
  readonly #routes: Routes;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #known = new Map<string, Known>();
  readonly #closed = new AbortController();

  constructor({ routes, clock, log }: { readonly routes: Routes; readonly clock: Clock; readonly log: Log }) {
    this.#routes = routes;
    this.#clock = clock;
    this.#log = log;
  }

  services(): readonly string[] {
    return this.#routes.all().flatMap((route) => route.services);
  }

  fileByName(name: string): Promise<Uint8Array | undefined> {
    return this.#first((source) => source.fileByName(name));
  }

  fileBySymbol(symbol: string): Promise<Uint8Array | undefined> {
    return this.#first((source) => source.fileBySymbol(symbol));
  }

  close(): void {
    this.#closed.abort();
  }

  async #first(find: (source: DescriptorSource) => ReturnType<DescriptorSource["fileByName"]>): Promise<Uint8Array | undefined> {
    for (const source of await Promise.all(this.#sources())) {
      const file = await find(source);
      if (file !== undefined) return file;
    }
    return undefined;
  }

  #sources(): Promise<DescriptorSource>[] {
    const routes = this.#routes.all().filter((route) => route.services.length > 0);
    const names = new Set(routes.map((route) => route.deployment));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    return routes.flatMap((route) => this.#sourceOf(route) ?? []);
  }

  #sourceOf({ deployment, endpoints }: Route): Promise<DescriptorSource> | undefined {
    const known = this.#known.get(deployment);
    const fresh = known !== undefined && (known.retryAtMs === undefined || this.#clock.nowMs() < known.retryAtMs);
    if (fresh && endpoints.some((endpoint) => endpoint.replicaId === known.replicaId)) return known.source;
    const [endpoint] = endpoints;
    if (endpoint === undefined) return known?.source; // what the last replica said is better than nothing
    const next: Known = {
      replicaId: endpoint.replicaId,
      source: this.#read(endpoint, () => {
        next.retryAtMs = this.#clock.nowMs() + retryMs;
      }),
      retryAtMs: undefined,
    };
    this.#known.set(deployment, next);
    return next.source;
  }

  async #read({ replicaId, address }: Endpoint, onFailure: () => void): Promise<DescriptorSource> {
    const late = new AbortController();
    const stopTimer = this.#clock.after(readMs, () => late.abort(refusal("DEADLINE", `no answer within ${readMs} ms`)));
    const channel = new Channel(address, { clock: this.#clock });
    try {
      return await readDescriptors(channel, AbortSignal.any([late.signal, this.#closed.signal]));
    } catch (error) {
      this.#log.debug({ replica: replicaId, cause: String(error) }, "a replica does not describe its services");
      onFailure();
      return descriptorsOf([]);
    } finally {
      stopTimer();
      channel.close();
    }
  }
}
