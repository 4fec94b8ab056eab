import type { DeploymentStatus } from "../../gen/drover/v1/deployment_pb.ts";
import { sparkline } from "./sparkline.ts";

/** The most updates of a deployment that are kept, and shown on a wide terminal. */
const updatesMax = 30;
const updatesMin = 8;
/** The width of the other columns, with a short message. */
const othersWidth = 90;

/** The load and running replicas of deployments at their last updates. */
export class StatusHistory {
  readonly #seen = new Map<string, { readonly load: number[]; readonly running: number[] }>();
  readonly #width: number;

  /** For a terminal of this width in characters. */
  constructor(columns = 80) {
    this.#width = Math.max(updatesMin, Math.min(updatesMax, Math.floor((columns - othersWidth) / 2)));
  }

  /** Records an update; undefined: the deployment is gone. */
  note(name: string, status: DeploymentStatus | undefined): void {
    if (status === undefined) {
      this.#seen.delete(name);
      return;
    }
    const { load, running } = this.#seen.get(name) ?? { load: [], running: [] };
    const last = (values: readonly number[], value: number) => [...values, value].slice(-this.#width);
    this.#seen.set(name, {
      load: last(load, Number(status.ongoingRequests + status.queuedRequests)),
      running: last(running, status.runningReplicas),
    });
  }

  /** A line of blocks for the load, and one for the replicas. */
  drawn(name: string): readonly [load: string, running: string] {
    const seen = this.#seen.get(name);
    return seen === undefined ? ["", ""] : [sparkline(seen.load), sparkline(seen.running)];
  }
}
