import type { Requirements } from "../../core/deployment.ts";
import type { Preparing } from "../../core/ending.ts";
import type { Environments } from "./environments.ts";
import type { UsedFiles } from "./replica-folder.ts";
import { needsPackages, type ResolvedRequirements, requirementsText, resolveRequirements } from "./requirements.ts";
import type { UnpackedBundles } from "./unpacked-bundles.ts";

/** The files and packages of a replica, handed out for it. Undefined where it requires none. */
export interface Provision extends UsedFiles {
  /** The folder of its bundle's files. */
  readonly folder?: string | undefined;
}

/** Whether anything must be there before a process can start. */
export const requiresProvision = (requirements: Requirements): boolean => requirements.bundle !== undefined || needsPackages(requirements);

/** Requirements whose identity is remembered. */
const identitiesMax = 100;

/** What is prepared first. */
export const firstStep = (requirements: Requirements): Preparing => (requirements.bundle === undefined ? installing(requirements) : {});

const installing = ({ npm, pip, lockfile }: Requirements): Preparing => ({
  packages: npm.length + pip.length,
  ...(lockfile === undefined ? {} : { lockfile }),
});

/**
 * Gives replicas the files and packages that they require: a bundle is unpacked first, and packages
 * are installed then, because a bundle may name or hold them.
 */
export class Provisions {
  readonly #bundles: UnpackedBundles;
  readonly #environments: Environments;
  /**
   * The identity of requirements, by their text, the latest last. It never changes, as they name their
   * bundle by its digest: a start reads no lockfile that an earlier start has read.
   */
  readonly #identities = new Map<string, string>();

  constructor(bundles: UnpackedBundles, environments: Environments) {
    this.#bundles = bundles;
    this.#environments = environments;
  }

  /** Whether all that is required is known to be there. */
  isThere(requirements: Requirements): boolean {
    const { bundle } = requirements;
    return !needsPackages(requirements) && (bundle === undefined || this.#bundles.isThere(bundle));
  }

  /** Hands out what is required if all of it is there; else undefined. */
  async find(requirements: Requirements): Promise<Provision | undefined> {
    const { bundle } = requirements;
    const folder = bundle === undefined ? undefined : await this.#bundles.find(bundle);
    if (bundle !== undefined && folder === undefined) return undefined;
    if (!needsPackages(requirements)) return { bundle, folder };
    const environment = await this.#identityOf(requirements, folder)
      .then((identity) => this.#environments.find({ required: requirements, identity }))
      .catch((cause) => this.#failed({ bundle }, cause));
    if (environment !== undefined) return { bundle, folder, environment };
    this.giveBack({ bundle });
    return undefined;
  }

  /**
   * Hands out what is required once it is there. `onStep` is called with what begins to be prepared.
   * Fails with what `failureOf` takes.
   */
  async provide(requirements: Requirements, signal: AbortSignal, onStep: (preparing: Preparing) => void): Promise<Provision> {
    const { bundle } = requirements;
    onStep(firstStep(requirements));
    const folder = bundle === undefined ? undefined : await this.#bundles.unpack(bundle, signal);
    if (!needsPackages(requirements)) return { bundle, folder };
    const environment = await this.#resolve(requirements, folder)
      .then((resolved) => this.#installed(resolved, signal, onStep))
      .catch((cause) => this.#failed({ bundle }, cause));
    return { bundle, folder, environment };
  }

  /** Begins the use of what an earlier controller handed out. */
  hold({ bundle, environment }: UsedFiles): void {
    if (bundle !== undefined) this.#bundles.hold(bundle);
    if (environment !== undefined) this.#environments.hold(environment);
  }

  /** Ends the use of what was handed out. */
  giveBack({ bundle, environment }: UsedFiles): void {
    if (bundle !== undefined) this.#bundles.giveBack(bundle);
    if (environment !== undefined) this.#environments.giveBack(environment);
  }

  async #identityOf(requirements: Requirements, folder: string | undefined): Promise<string> {
    const text = requirementsText(requirements);
    const identity = this.#identities.get(text) ?? (await this.#resolve(requirements, folder)).identity;
    this.#identities.delete(text);
    this.#identities.set(text, identity);
    const [oldest] = this.#identities.keys();
    if (this.#identities.size > identitiesMax && oldest !== undefined) this.#identities.delete(oldest);
    return identity;
  }

  async #installed(resolved: ResolvedRequirements, signal: AbortSignal, onStep: (preparing: Preparing) => void): Promise<string> {
    const found = await this.#environments.find(resolved);
    if (found !== undefined) return found;
    onStep(installing(resolved.required));
    return this.#environments.build(resolved, signal);
  }

  async #resolve(requirements: Requirements, folder: string | undefined): Promise<ResolvedRequirements> {
    const { bundle } = requirements;
    if (bundle === undefined || folder === undefined) return resolveRequirements(requirements, undefined);
    return resolveRequirements(requirements, { files: await this.#bundles.filesOf(bundle), folder });
  }

  #failed(used: UsedFiles, cause: unknown): Promise<never> {
    this.giveBack(used);
    return Promise.reject(cause);
  }
}
