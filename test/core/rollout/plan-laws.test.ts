// Laws of the plan, each over many random orders of events: they take seconds, so `npm run test:unit` leaves them out.
import fc from "fast-check";
import { expect, test } from "vitest";
import { plan } from "../../../src/core/rollout/plan.ts";
import { statusOf } from "../../../src/core/rollout/status.ts";
import { crashed, rollsOutWithinBounds, World } from "./plan-world.ts";

const state = (world: World) => statusOf(world.deployment, world.progress, world.records);

test("at every N: available and extra stay within the bounds of the table, whatever the order of events, and it ends", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), fc.array(fc.nat(), { minLength: 400, maxLength: 400 }), (n, draws) => {
      const world = new World(n);
      world.settle(30);
      world.update({ version: "2" }, true);
      rollsOutWithinBounds(world, n, draws);
    }),
    { numRuns: 60 },
  );
});

test("with no new input it settles: whatever happened, an applied plan is followed by an empty one, and in the end the target runs", () => {
  const event = fc.record({ kind: fc.constantFrom("obey", "crash", "unhealthy", "wait", "scale", "update"), at: fc.nat() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const world = new World(3);
      for (const { kind, at } of events) {
        world.step();
        const all = [...world.bodies.values()];
        const body = all[at % Math.max(1, all.length)];
        if (kind === "wait") world.nowMs += at % 100_000;
        else if (kind === "scale") world.update({ numReplicas: at % 12 });
        else if (kind === "update") world.update({}, true);
        else if (body !== undefined && kind === "obey") world.obey(body);
        else if (body !== undefined && kind === "crash" && body.process === "alive") Object.assign(body, crashed(1));
        else if (body !== undefined && kind === "unhealthy") body.answer = "unhealthy";
      }
      world.settle(2_000);
      expect(state(world)).toMatchObject({ state: "HEALTHY", running: world.deployment.spec.numReplicas });
      expect(plan(world.input)).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
