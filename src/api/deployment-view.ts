import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import type { DeploymentRecord } from "../core/deployment.ts";
import type { Room } from "../core/placement/room.ts";
import type { Mirror } from "../store/mirror.ts";
import { deploymentToMessage, type Observed } from "./convert.ts";
import { notFound } from "./refusals.ts";

export interface DeploymentViewOptions {
  readonly mirror: Mirror;
  readonly observed: Observed;
  /** As `Engine.room`. */
  readonly room: () => Room;
}

/** Deployments as clients see them now. */
export class DeploymentView {
  readonly #mirror: Mirror;
  readonly #observed: Observed;
  readonly #room: () => Room;

  constructor({ mirror, observed, room }: DeploymentViewOptions) {
    this.#mirror = mirror;
    this.#observed = observed;
    this.#room = room;
  }

  /**
   * After this, reads see every write that was answered before. While the store cannot be reached,
   * they see the last known state.
   */
  async catchUp(): Promise<void> {
    await this.#mirror.catchUp().catch(() => {});
  }

  /** The deployment of that name; undefined: there is none. */
  current(name: string): Deployment | undefined {
    const record = this.#mirror.deployment(name)?.value;
    return record === undefined ? undefined : this.compose(record);
  }

  /** Fails with DEPLOYMENT_NOT_FOUND. */
  record(name: string): DeploymentRecord {
    return this.#mirror.deployment(name)?.value ?? notFound(name);
  }

  /** The deployment of a record, as clients see it. */
  compose(record: DeploymentRecord): Deployment {
    return this.composing(record)(record);
  }

  /**
   * As {@link compose}, in two steps: the state is that of this call, and the message is made when
   * the function is called. It takes the record, or the record with another spec.
   */
  composing({ spec: { name } }: DeploymentRecord): (record: DeploymentRecord) => Deployment {
    const progress = this.#mirror.progress(name)?.value;
    const replicas = this.#mirror.replicasOf(name).map(({ value }) => value);
    const room = this.#room();
    return (record) => deploymentToMessage(record, progress, replicas, this.#observed, room);
  }
}
