import type { MessageInitShape } from "@bufbuild/protobuf";
import { ControllerService, type WatchDeploymentsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import { refusal } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log/log.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { implement, type ServiceHandlers } from "../../src/rpc/service.ts";

interface FakeDeployment {
  readonly addresses: readonly string[];
  readonly maxOngoingRequests?: number;
}

/** A controller that reports what the test sets, with the two calls that a client needs. */
export class FakeController {
  readonly #deployments = new Map<string, FakeDeployment>();
  readonly #changed = new Set<() => void>();
  readonly #server: RpcServer;
  watches = 0;

  constructor() {
    const handlers: Pick<ServiceHandlers<typeof ControllerService>, "watchDeployments" | "listReplicas"> = {
      watchDeployments: ({ names: [name = ""] }, { signal }) => this.#watch(name, signal),
      listReplicas: ({ deployment }) => ({ replicas: this.#replicasOf(deployment) }),
    };
    const others = Object.fromEntries(
      ControllerService.methods.map(({ localName }) => [localName, () => Promise.reject(refusal("INTERNAL", localName))]),
    );
    const implementation = implement(ControllerService, { ...others, ...handlers } as unknown as ServiceHandlers<typeof ControllerService>);
    this.#server = new RpcServer({ implementations: [implementation], log: silentLog, clock: realClock });
  }

  listen(address: string): Promise<string> {
    return this.#server.listen(address);
  }

  /** Sets which replicas a deployment has; undefined: it is deleted. */
  report(name: string, deployment: FakeDeployment | undefined): void {
    if (deployment) this.#deployments.set(name, deployment);
    else this.#deployments.delete(name);
    for (const wake of [...this.#changed]) wake();
  }

  close(): Promise<void> {
    return this.#server.close(0);
  }

  #replicasOf(deployment: string) {
    const addresses = this.#deployments.get(deployment)?.addresses ?? [];
    const running = addresses.map((address) => ({ deployment, replicaId: address, address, state: ReplicaState.RUNNING }));
    return [...running, { deployment, replicaId: "starting", address: "unix:/nowhere", state: ReplicaState.STARTING }];
  }

  async *#watch(name: string, signal: AbortSignal): AsyncGenerator<MessageInitShape<typeof WatchDeploymentsResponseSchema>> {
    this.watches++;
    for (let first = true; !signal.aborted; first = false) {
      const changed = new Promise<void>((resolve) => {
        const wake = () => {
          this.#changed.delete(wake);
          resolve();
        };
        this.#changed.add(wake);
        signal.addEventListener("abort", wake);
      });
      const deployment = this.#deployments.get(name);
      if (deployment) yield { event: { case: "deploymentUpdated", value: { spec: { name, ...deployment } } } };
      else if (!first) yield { event: { case: "deploymentDeleted", value: name } };
      if (first) yield { event: { case: "synced", value: {} } };
      await changed;
    }
  }
}
