import type { Ending } from "../../src/core/ending.ts";
import type { SimulatedController } from "./simulated-controller.ts";
import type { SimulatedWorld } from "./simulated-world.ts";

const crashes: readonly Ending[] = [
  { kind: "exit", code: 3 },
  { kind: "signal", signal: "SIGSEGV" },
];

const [secondMs, hourMs] = [1_000, 3_600_000];
const stepsMs = [secondMs, 5 * secondMs, 30 * secondMs, 600 * secondMs, hourMs, hourMs, 5 * hourMs];

/** A replica whose reports are not late. */
const inTime = { lateOngoing: undefined, lateModels: undefined, lateSinceMs: undefined };

/** Draws what goes wrong in one step, and ends it after a while. */
export class Mishaps {
  readonly #world: SimulatedWorld;
  #storeBackAtMs = 0;

  constructor(world: SimulatedWorld) {
    this.#world = world;
  }

  /** One throw of each die. */
  async throwAll(): Promise<void> {
    this.#replicas();
    this.#programs();
    this.#store();
    this.#clock();
    this.#loss();
    await this.#controllers();
  }

  /** From now on nothing goes wrong any more, and what was away is back. */
  async end(): Promise<void> {
    const { faults, store, controllers, engine, behaviours, spoilt, clock } = this.#world;
    faults.roughness = 0;
    // Otherwise a schedule might begin while everything is to settle.
    clock.stepWall(clock.nowMs() - clock.wallMs());
    spoilt.clear();
    store.setFault("none");
    for (const { line } of controllers) line.cut = false;
    for (const { replicaId } of engine.alive()) behaviours.set(replicaId, { silentSinceMs: undefined, ...inTime });
    while (this.#world.ending.size > 0) await clock.pass(1_000);
    if (this.#world.controllers.length === 0) await this.#world.startController();
  }

  #replicas(): void {
    const { faults, random, engine, behaviours, clock, trace } = this.#world;
    for (const { replicaId, preparing } of engine.alive()) {
      if (preparing !== undefined) continue; // it has no process yet
      if (faults.strikes("crash", 0.01)) {
        trace(`crash ${replicaId}`);
        engine.end(replicaId, random.pick(crashes), ["it was all too much"]);
        continue;
      }
      if (!engine.serves(replicaId)) continue;
      const { answer, hangsSinceMs } = behaviours.of(replicaId);
      if (answer === "ready" && hangsSinceMs === undefined && faults.strikes("hang", 0.01)) {
        trace(`hang ${replicaId}`);
        this.#world.hang(replicaId, random.pick([500, 1_300, 3_000, Number.POSITIVE_INFINITY]));
      }
      if (faults.strikes("lost load reports", 0.02)) {
        trace(`lost reports ${replicaId}`);
        behaviours.set(replicaId, { silentSinceMs: clock.nowMs() });
        clock.after(random.pick([50, 1_000, 8_000]), () => behaviours.set(replicaId, { silentSinceMs: undefined }));
      }
      if (faults.strikes("late load reports", 0.03)) {
        const { ongoing, models } = behaviours.of(replicaId);
        behaviours.set(replicaId, { lateOngoing: ongoing, lateModels: models, lateSinceMs: clock.nowMs() });
        clock.after(random.pick([300, 3_000]), () => behaviours.set(replicaId, inTime));
      }
    }
  }

  /** What a revision needs, a file or a service, is not there any more. */
  #programs(): void {
    const { faults, random, witness, spoilt } = this.#world;
    const healthy = [...witness.ledger.everRan];
    if (healthy.length > 0 && faults.strikes("revision gone bad", 0.05)) spoilt.add(random.pick(healthy));
  }

  #store(): void {
    const { faults, random, store, clock, trace } = this.#world;
    if (clock.nowMs() < this.#storeBackAtMs || !faults.strikes("store away", 0.03)) return;
    const forMs = random.pick([10, 400, 3_000, 7_000]);
    trace(`store away for ${forMs} ms`);
    this.#storeBackAtMs = clock.nowMs() + forMs;
    store.setFault("unavailable");
    clock.after(forMs, () => store.setFault("none"));
  }

  /** Somebody sets the wall clock, now or a little later, whether a controller runs or not. */
  #clock(): void {
    const { faults, clock, stepsRandom, trace } = this.#world;
    if (stepsRandom === undefined || !stepsRandom.chance(0.15 * faults.roughness)) return;
    faults.note("wall clock stepped");
    const byMs = stepsRandom.pick([1, -1]) * stepsRandom.pick(stepsMs);
    clock.after(stepsRandom.whole(0, 4_000), () => {
      if (faults.roughness === 0) return;
      trace(`the wall clock steps by ${byMs} ms`);
      clock.stepWall(byMs);
    });
  }

  /**
   * The store loses everything. Only while each controller knows all of it: what nobody knows cannot
   * come back.
   */
  #loss(): void {
    const { faults, store, controllers, ending, witness, clock, trace } = this.#world;
    const know = ({ line, mirror }: SimulatedController) => !line.cut && mirror.position === witness.ledger.position;
    if (clock.nowMs() < this.#storeBackAtMs || store.trouble !== undefined) return;
    if (controllers.length === 0 || ![...controllers, ...ending].every(know) || !faults.strikes("store emptied", 0.02)) return;
    trace("the store loses everything");
    this.#world.lost = store.empty();
  }

  async #controllers(): Promise<void> {
    const { faults, random, clock, trace } = this.#world;
    const controllers = () => this.#world.controllers;
    const free = controllers().filter(({ line }) => !line.cut);
    const [first] = free;
    if (first !== undefined && faults.strikes("controller killed", 0.025)) this.#replace(first, "kill");
    else if (first !== undefined && faults.strikes("controller stopped", 0.015)) this.#replace(first, "stop");
    else if (first !== undefined && free.length === controllers().length && faults.strikes("controller cut off", 0.02)) {
      trace(`${first.id} is cut off`);
      first.line.cut = true;
      clock.after(random.pick([800, 6_000, 12_000]), () => {
        first.line.cut = false;
      });
    }
    const serving = controllers().some(({ line }) => !line.cut);
    if (!serving && random.chance(0.7) && (await this.#world.startController())) trace(`${controllers().at(-1)?.id} starts`);
    const [surplus] = controllers().length > 2 ? controllers() : [];
    if (surplus !== undefined) this.#world.endController(surplus, "stop");
  }

  #replace(controller: SimulatedController, how: "stop" | "kill"): void {
    this.#world.trace(`${how} ${controller.id}`);
    this.#world.endController(controller, how);
  }
}
