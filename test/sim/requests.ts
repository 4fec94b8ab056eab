import type { Place } from "../../src/gateway/place.ts";
import type { Visit, Waiter } from "../../src/gateway/visit.ts";
import type { SimulatedController } from "./simulated-controller.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/** How long a request is on its way to a replica. */
const transitMs = 1;

/** Clients send requests to the gateway of any controller, whether replicas run or not; some call replicas directly. */
export function sendRequests(world: SimulatedWorld): void {
  const { random, controllers, witness } = world;
  for (const controller of controllers) {
    for (const name of witness.ledger.deployments.keys()) {
      if (!random.chance(0.3)) continue;
      const count = random.whole(1, 6);
      for (let sent = 0; sent < count; sent++) new Request(world, controller, random.pick([20, 500, 3_000, 9_000])).send(name);
    }
  }
  for (const replicaId of controllers.flatMap((controller) => controller.routes()))
    if (accepts(world, replicaId) && random.chance(0.1)) world.request(replicaId, random.pick([20, 500, 3_000, 9_000]));
}

/** A replica that drains refuses, and the request goes elsewhere. */
function accepts({ witness, engine }: SimulatedWorld, replicaId: string): boolean {
  return witness.ledger.replicas.get(replicaId)?.state === "RUNNING" && engine.serves(replicaId);
}

/** A request through the gateway of a controller: given to a replica by the real dispatcher, given back where the replica refuses it. */
class Request implements Waiter {
  readonly #world: SimulatedWorld;
  readonly #controller: SimulatedController;
  readonly #tookMs: number;

  constructor(world: SimulatedWorld, controller: SimulatedController, tookMs: number) {
    this.#world = world;
    this.#controller = controller;
    this.#tookMs = tookMs;
  }

  send(deployment: string): void {
    this.#controller.enter(deployment, this);
  }

  granted(visit: Visit, place: Place): void {
    const { dispatcher } = this.#controller;
    const { replicaId } = place.endpoint;
    this.#world.clock.after(transitMs, () => {
      if (!accepts(this.#world, replicaId)) {
        dispatcher.giveBack(place, this.#world.engine.serves(replicaId) ? "busy" : "away", visit);
        return;
      }
      dispatcher.accepted(place);
      this.#world.request(replicaId, this.#tookMs, (well) => {
        if (!well) dispatcher.lost(place);
        dispatcher.release(place);
      });
    });
  }

  denied(): void {}
}
