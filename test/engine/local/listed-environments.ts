import type { Requirements } from "../../../src/core/deployment.ts";
import { Environments, type EnvironmentsOptions } from "../../../src/engine/local/environments.ts";
import { resolveRequirements } from "../../../src/engine/local/requirements.ts";
import type { UnpackedBundle } from "../../../src/engine/local/unpacked-bundles.ts";

/** Environments that take the requirements of specs, and the bundle that those have, if any. */
export class ListedEnvironments {
  readonly #environments: Environments;

  constructor(options: EnvironmentsOptions) {
    this.#environments = new Environments(options);
  }

  async find(required: Requirements, bundle?: UnpackedBundle): Promise<string | undefined> {
    return this.#environments.find(await resolveRequirements(required, bundle));
  }

  async build(required: Requirements, signal: AbortSignal, bundle?: UnpackedBundle): Promise<string> {
    return this.#environments.build(await resolveRequirements(required, bundle), signal);
  }

  giveBack(path: string): void {
    this.#environments.giveBack(path);
  }

  sweep(): Promise<void> {
    return this.#environments.sweep();
  }

  close(): Promise<void> {
    return this.#environments.close();
  }
}
