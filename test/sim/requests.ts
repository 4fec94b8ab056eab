import type { Place } from "../../src/gateway/place.ts";
import type { Visit, Waiter } from "../../src/gateway/visit.ts";
import { noneIsOverfull, noneWaitsBesideRoom } from "./invariants/waiting.ts";
import type { SimulatedController } from "./simulated-controller.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

/** How long a request is on its way to a replica. */
const transitMs = 1;
/** The longest rest of a replica that gave a request back. */
const restMaxMs = 1_000;
const models = ["m1", "m2", "m3", "m4", "m5"];

/** Clients send requests to the gateway of any controller, whether replicas run or not; some call replicas directly. */
export function sendRequests(world: SimulatedWorld): void {
  const { random, controllers, witness } = world;
  for (const controller of controllers) {
    for (const name of witness.ledger.deployments.keys()) {
      if (!random.chance(0.3)) continue;
      const count = random.chance(0.1) ? random.whole(20, 40) : random.whole(1, 6);
      const areForModels = random.chance(0.5);
      for (let sent = 0; sent < count; sent++) {
        const model = areForModels && random.chance(0.9) ? random.pick(models) : undefined;
        new Request(world, controller, name, { tookMs: random.pick([20, 500, 3_000, 9_000]), model }).send();
      }
    }
  }
  for (const replicaId of controllers.flatMap((controller) => controller.routes()))
    if (accepts(world, replicaId) && random.chance(0.1)) world.request(replicaId, random.pick([20, 500, 3_000, 9_000]));
  // By now no request that has just come is still on its way.
  world.clock.after(2 * transitMs, () => checkWaiting(world));
}

/** I14, at all gateways. */
export function checkWaiting({ controllers, witness, clock }: SimulatedWorld): void {
  for (const controller of controllers) {
    for (const [deployment, { endpoints, maxOngoingRequests }] of controller.routing.routes
      .all()
      .map((route) => [route.deployment, route] as const)) {
      const [first] = waitingAt(controller, deployment);
      if (first === undefined) continue;
      const places = endpoints.map(({ replicaId }) => ({
        replicaId,
        ongoing: seenOf(controller).given.get(replicaId) ?? 0,
        mayRest: clock.nowMs() - (restsOf(controller).get(replicaId) ?? Number.NEGATIVE_INFINITY) <= restMaxMs,
      }));
      witness.raise(
        noneWaitsBesideRoom(`${controller.id}: a request to ${deployment} for ${first.model ?? "no model"}`, places, maxOngoingRequests),
      );
    }
  }
}

/** What is known of a gateway's requests apart from the gateway. */
interface Seen {
  readonly waiting: Set<Request>;
  /** How many requests each replica has from it. */
  readonly given: Map<string, number>;
  /** When each replica last gave a request back or was lost. */
  readonly rests: Map<string, number>;
}

const seen = new WeakMap<SimulatedController, Seen>();

function seenOf(controller: SimulatedController): Seen {
  const known = seen.get(controller) ?? { waiting: new Set(), given: new Map(), rests: new Map() };
  seen.set(controller, known);
  return known;
}

const restsOf = (controller: SimulatedController) => seenOf(controller).rests;

function waitingAt(controller: SimulatedController, deployment: string): readonly Request[] {
  return [...seenOf(controller).waiting].filter((request) => request.deployment === deployment);
}

/** A replica that drains or is full refuses, and the request goes elsewhere. */
function accepts({ witness, engine, behaviours }: SimulatedWorld, replicaId: string): boolean {
  const replica = witness.ledger.replicas.get(replicaId);
  const { maxOngoingRequests = 0 } = witness.ledger.deployments.get(replica?.deployment ?? "")?.spec ?? {};
  return replica?.state === "RUNNING" && engine.serves(replicaId) && behaviours.of(replicaId).ongoing < maxOngoingRequests;
}

/** A request through the gateway of a controller: given to a replica by the real dispatcher, given back where the replica refuses it. */
class Request implements Waiter {
  readonly deployment: string;
  readonly model: string | undefined;
  readonly #world: SimulatedWorld;
  readonly #controller: SimulatedController;
  readonly #tookMs: number;

  constructor(
    world: SimulatedWorld,
    controller: SimulatedController,
    deployment: string,
    { tookMs, model }: { readonly tookMs: number; readonly model: string | undefined },
  ) {
    this.#world = world;
    this.#controller = controller;
    this.#tookMs = tookMs;
    this.deployment = deployment;
    this.model = model;
  }

  send(): void {
    this.#seen.waiting.add(this);
    this.#controller.enter(this.deployment, this, this.model);
  }

  granted(visit: Visit, place: Place): void {
    const { dispatcher, routing } = this.#controller;
    const { replicaId } = place.endpoint;
    this.#seen.waiting.delete(this);
    const { maxOngoingRequests = 0 } = routing.routes.get(this.deployment) ?? {};
    this.#world.witness.raise(noneIsOverfull({ replicaId, ongoing: this.#gets(replicaId, 1) }, maxOngoingRequests));
    this.#world.clock.after(transitMs, () => {
      if (!accepts(this.#world, replicaId)) {
        this.#seen.waiting.add(this);
        this.#gets(replicaId, -1);
        this.#rests(replicaId);
        dispatcher.giveBack(place, this.#world.engine.serves(replicaId) ? "busy" : "away", visit);
        return;
      }
      dispatcher.accepted(place);
      if (this.model !== undefined) this.#world.use(replicaId, this.model);
      this.#world.request(replicaId, this.#tookMs, (well) => {
        this.#gets(replicaId, -1);
        if (!well) this.#rests(replicaId);
        if (!well) dispatcher.lost(place);
        dispatcher.release(place);
      });
    });
  }

  denied(): void {
    this.#seen.waiting.delete(this);
  }

  /** Returns how many requests the replica has now. */
  #gets(replicaId: string, more: number): number {
    const { given } = this.#seen;
    const ongoing = (given.get(replicaId) ?? 0) + more;
    given.set(replicaId, ongoing);
    return ongoing;
  }

  #rests(replicaId: string): void {
    this.#seen.rests.set(replicaId, this.#world.clock.nowMs());
  }

  get #seen(): Seen {
    return seenOf(this.#controller);
  }
}
