import { type Pace, pacing } from "../clock/breathe.ts";
import type { Clock } from "../clock/clock.ts";
import type { DeploymentRecord, DeploymentSpec } from "../core/deployment.ts";
import { effectOf } from "../core/effect.ts";
import { deleted, firstRecord, nextRecord } from "../core/generations.ts";
import { beginningChange } from "./begin-change.ts";
import { editIfFree } from "./commit-in-turn.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { type Edit, type EditPlan, editTimeMs } from "./edits.ts";
import { expectApplication, expectSame } from "./expectations.ts";

const uidLength = 20;

/** The specs that are wanted. */
export interface WantedSpecs {
  readonly specs: readonly DeploymentSpec[];
  /** Whether each spec is a new revision, also where it changes nothing. */
  readonly redeploy: boolean;
  /** Whether a deployment that is not among the specs is deleted. */
  readonly prune: (other: DeploymentRecord) => boolean;
  /** Throws the refusal where the deployment is not what the request expects. */
  readonly expect: (before: DeploymentRecord | undefined, name: string) => void;
}

/** What an `Apply` asks for besides its specs. */
export interface ApplyScope {
  /** Empty: the specs say themselves where they belong, and `prune` takes all other deployments. */
  readonly application: string;
  readonly prune: boolean;
  readonly redeploy: boolean;
  readonly expectedGenerations: { readonly [name: string]: bigint };
}

/** What an `Apply` wants. It touches no deployment of another application. */
export function wantedByApply(specs: readonly DeploymentSpec[], scope: ApplyScope): WantedSpecs {
  const { application, prune, redeploy, expectedGenerations } = scope;
  return {
    specs,
    redeploy,
    prune: ({ spec }) => prune && (application === "" || spec.application === application),
    expect: (before, name) => {
      expectSame(name, before, { expectedGeneration: expectedGenerations[name], uid: "" });
      const index = specs.findIndex((spec) => spec.name === name);
      if (application !== "") expectApplication(before, application, `specs[${index}].name`);
    },
  };
}

/** What the plan of an `Apply` needs to know. */
export interface PlanParts extends Pick<ControllerParts, "mirror" | "random"> {
  readonly clock: Pick<Clock, "nowMs">;
}

/**
 * Edits of the specs' deployments in their order, then of those that `prune` deletes, by name. Without
 * `change`, a config counts as taken by all replicas.
 */
export function planOf(parts: PlanParts, wish: WantedSpecs, change?: { readonly dryRun: boolean; readonly author: string }): EditPlan {
  const { mirror, clock, random } = parts;
  const { specs, redeploy, prune, expect } = wish;
  const wanted = new Map(specs.map((spec) => [spec.name, { spec, uid: random.id(uidLength) }]));
  const edit = (before: DeploymentRecord | undefined, name: string): Edit | "changing" => {
    const nowMs = editTimeMs(clock, before);
    const { spec, uid } = wanted.get(name) ?? {};
    // The mirror may be behind: the record that is written decides.
    if (spec === undefined || uid === undefined) return { after: before && (prune(before) ? deleted(before, nowMs) : before) };
    expect(before, name);
    if (before === undefined) return { after: firstRecord(spec, uid, nowMs) };
    return editIfFree(before, (record) => {
      if (change !== undefined && !redeploy && effectOf(record.spec, spec) === "RECONFIGURE")
        return beginningChange(parts, record, spec, change);
      return { after: nextRecord(record, spec, nowMs, { redeploy }) };
    });
  };
  return {
    author: change?.author ?? "",
    pace: paceOf(parts),
    names: async () => {
      await mirror.catchUp();
      const others = Array.from(mirror.deployments()).filter(([name, { value }]) => !wanted.has(name) && prune(value));
      return [...wanted.keys(), ...others.map(([name]) => name).sort()];
    },
    edit: (before, name) => {
      const made = edit(before, name);
      return made !== "changing" && change?.dryRun === true && made.begins === undefined ? { after: before } : made;
    },
  };
}

export const paceOf = ({ clock }: Pick<PlanParts, "clock">): Pace => pacing(() => clock.nowMs());
