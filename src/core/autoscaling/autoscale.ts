import type { AutoscalingConfig } from "../autoscaling-config.ts";
import type { AutoscalingRule, DecisionRule, Verdict } from "../decision.ts";
import { aggregate, emptyWindow, knownSinceMs, type LoadWindow, push } from "./load-window.ts";

/** A deployment's load and replicas, as seen in this tick. */
export interface LoadSeen {
  /**
   * Requests in work, as reported by all running replicas. Undefined: a report is missing, or older
   * than three intervals.
   */
  readonly ongoing: number | undefined;
  /** Requests that wait at gateways. */
  readonly queued: number;
  /** Replicas that can get requests, including those beyond the target during a rollout. */
  readonly running: number;
  /** The present target. */
  readonly target: number;
  /** The highest minimum of the schedules that hold now. 0: no schedule holds. */
  readonly scheduledMin: number;
  /** How long replicas of this deployment take to start. */
  readonly startupMs: number;
}

/** What is remembered from tick to tick. Bounded for all periods. */
export interface AutoscaleState {
  readonly sinceMs: number;
  /** Since when the load is known without a gap. Undefined: it is not known. */
  readonly knownSinceMs: number | undefined;
  /**
   * The load over the look-back period, and over the window for bursts, which may be much shorter.
   */
  readonly load: LoadWindow;
  readonly bursts: LoadWindow;
  /** The desired number at each tick, over the upscale and the downscale delay. */
  readonly ups: LoadWindow;
  readonly downs: LoadWindow;
  /** The last known number of requests in work. */
  readonly ongoing: number;
  /** When the load was last a burst. Minus infinity: never. */
  readonly burstAtMs: number;
  /** Since when there has been no request. Undefined: there is one, or the load is not known. */
  readonly idleSinceMs: number | undefined;
  /** When the target was last raised. At first, missing replicas count as just asked for. */
  readonly raisedAtMs: number;
}

export function firstAutoscaleState(config: AutoscalingConfig, nowMs: number): AutoscaleState {
  const window = (spanMs: number) => emptyWindow(Math.max(1, spanMs), 0, nowMs);
  return {
    sinceMs: nowMs,
    knownSinceMs: undefined,
    load: window(config.lookBackPeriodMs),
    bursts: window(config.burst.windowMs),
    ups: window(config.upscaleDelayMs),
    downs: window(config.downscaleDelayMs),
    ongoing: 0,
    burstAtMs: Number.NEGATIVE_INFINITY,
    idleSinceMs: undefined,
    raisedAtMs: nowMs,
  };
}

/** Why a step down is put off. */
export type PutOff = "loadUnknown" | "watchedTooShort" | "loadWasUnknown" | "recentBurst";

/** The result of one tick: the target, and why. */
export interface AutoscaleDecision {
  readonly target: number;
  /** The direction, for the record. `hold`: a step down is put off, because too little is known. */
  readonly kind: "up" | "down" | "stay" | "hold";
  /** Set with `hold`. */
  readonly putOff: PutOff | undefined;
  readonly verdict: Verdict;
}

/** A product of decimals this close to a whole number counts as that number. */
const slack = 1e-9;

/**
 * The target of the number of replicas. Pure: the same arguments give the same result. `desired =
 * ⌈cur + factor · (raw − cur)⌉` with `raw = load / target_ongoing_requests`. The target goes up to
 * the smallest `desired` of the upscale delay, and down to the largest of the downscale delay. It
 * goes up at once for a burst and from zero. `buffer_replicas` is added to each of these numbers, and
 * `cur` does not count them. The target stays within the bounds.
 */
export function decide(
  config: AutoscalingConfig,
  seen: LoadSeen,
  before: AutoscaleState,
  nowMs: number,
): { readonly decision: AutoscaleDecision; readonly state: AutoscaleState } {
  const known = seen.ongoing !== undefined;
  const ongoing = seen.ongoing ?? before.ongoing;
  const now = ongoing + seen.queued;
  const knownSinceMs = known ? (before.knownSinceMs ?? nowMs) : undefined;
  const load = push(before.load, now, nowMs);
  const bursts = push(before.bursts, now, nowMs);
  // A deployment at zero keeps no spare replicas.
  const spare = seen.target === 0 && now === 0 ? 0 : (config.bufferReplicas ?? 0);
  const cur = Math.max(0, Math.min(seen.running, seen.target) - spare);
  const mean = aggregate(load, config.aggregation, nowMs);
  const raw = mean / config.targetOngoingRequests;
  const desired = desiredOf(config, raw, cur) + spare;
  const rules = new Rules(config, seen, before, nowMs, spare);
  const ups = push(before.ups, desired, nowMs);
  // While a factor limits the step up, replicas that are starting for the rest of the way are not
  // surplus.
  const enough = raw > cur ? Math.max(desired, Math.ceil(raw - slack) + spare) : desired;
  // What is asked for from zero counts as wanted. The mean load does not show it yet, and would
  // remove it again at the next tick.
  const wanted = seen.target === 0 && now > 0 ? Math.max(enough, rules.fromZero(now)) : enough;
  const downs = push(before.downs, wanted, nowMs);
  const up = rules.up(ups, desired, ongoing);
  const down = rules.down(downs, wanted);
  const bursting = rules.burst(bursts, ongoing);
  const idleSinceMs = now === 0 && known ? (before.idleSinceMs ?? nowMs) : undefined;
  const burstAtMs = bursting === undefined ? before.burstAtMs : nowMs;
  const wish = rules.bounded(rules.choose({ up, down, desired, bursting, burstAtMs, idleSinceMs, knownSinceMs, now }));
  rules.noteBound(wish);
  const { target } = wish;
  const kind = target > seen.target ? "up" : target < seen.target ? "down" : wish.putOff !== undefined ? "hold" : "stay";
  const state: AutoscaleState = {
    sinceMs: before.sinceMs,
    knownSinceMs,
    load,
    bursts,
    ups,
    downs,
    ongoing,
    burstAtMs,
    idleSinceMs,
    raisedAtMs: target > seen.target ? nowMs : before.raisedAtMs,
  };
  const inputs = { load: now, ongoing, queued: seen.queued, running: seen.running, target: seen.target, mean_load: rounded(mean), desired };
  const verdict: Verdict = {
    source: "AUTOSCALER",
    summary: summaryOf(seen.target, target, wish.why),
    bound: wish.bound,
    inputs,
    rules: rules.noted,
  };
  return { decision: { target, kind, putOff: kind === "hold" ? wish.putOff : undefined, verdict }, state };
}

function desiredOf({ upscalingFactor, downscalingFactor }: AutoscalingConfig, raw: number, cur: number): number {
  const factor = raw > cur ? upscalingFactor : downscalingFactor;
  const desired = Math.max(0, Math.ceil(cur + factor * (raw - cur) - slack));
  // A step down that rounds to zero removes one replica.
  return desired === cur && Math.ceil(raw - slack) < cur ? cur - 1 : desired;
}

interface Wish {
  readonly target: number;
  readonly why: string;
  readonly bound: AutoscalingRule | undefined;
  readonly putOff?: PutOff;
}

/** The rule by which a step down is put off, and its words. */
const putOffRules: Readonly<Record<PutOff, Pick<Wish, "why" | "bound">>> = {
  loadUnknown: { why: "holds: a replica's load is not known", bound: "stale_load" },
  watchedTooShort: { why: "holds: this controller has not watched for a whole look-back period", bound: "look_back_period" },
  loadWasUnknown: { why: "holds: a replica's load was not known for the whole look-back period", bound: "stale_load" },
  recentBurst: { why: "holds: the last burst is not a whole look-back period ago", bound: "burst" },
};

interface Proposals {
  readonly up: number | undefined;
  readonly down: number | undefined;
  readonly desired: number;
  readonly bursting: number | undefined;
  readonly burstAtMs: number;
  readonly idleSinceMs: number | undefined;
  readonly knownSinceMs: number | undefined;
  readonly now: number;
}

/** The rules of one tick. Each is noted with its value when it is applied. */
class Rules {
  readonly noted: DecisionRule[] = [];
  readonly #config: AutoscalingConfig;
  readonly #seen: LoadSeen;
  readonly #before: AutoscaleState;
  readonly #nowMs: number;
  readonly #spare: number;

  constructor(config: AutoscalingConfig, seen: LoadSeen, before: AutoscaleState, nowMs: number, spare: number) {
    this.#config = config;
    this.#seen = seen;
    this.#before = before;
    this.#nowMs = nowMs;
    this.#spare = spare;
    if (spare > 0) this.#note("buffer_replicas", spare, "spare: that many more than the load needs");
  }

  /**
   * The smallest number wanted during the whole upscale delay. Undefined: not known for that long.
   */
  up(window: LoadWindow, desired: number, ongoing: number): number | undefined {
    const { upscaleDelayMs } = this.#config;
    const { target, running, startupMs } = this.#seen;
    const smallest = upscaleDelayMs === 0 ? desired : aggregate(window, "MIN", this.#nowMs);
    this.#note("upscale_delay", smallest, `at least ${smallest} wanted during the last ${seconds(upscaleDelayMs)}`);
    if (upscaleDelayMs > 0 && this.#nowMs - knownSinceMs(window) < upscaleDelayMs) return undefined;
    // Starting replicas will serve the backlog: a backlog alone asks for no more of them.
    const starting = running < target && this.#nowMs - this.#before.raisedAtMs < startupMs;
    if (!starting || smallest <= target) return smallest;
    const withoutBacklog = this.#needed(ongoing);
    this.#note("starting", target - running, `${target - running} still start: they will serve what waits`);
    return Math.min(smallest, Math.max(target, withoutBacklog));
  }

  /**
   * The largest number wanted during the whole downscale delay. Undefined: not known for that long.
   */
  down(window: LoadWindow, enough: number): number | undefined {
    const { downscaleDelayMs } = this.#config;
    const largest = downscaleDelayMs === 0 ? enough : aggregate(window, "MAX", this.#nowMs);
    this.#note("downscale_delay", largest, `at most ${largest} wanted during the last ${seconds(downscaleDelayMs)}`);
    return downscaleDelayMs > 0 && this.#nowMs - knownSinceMs(window) < downscaleDelayMs ? undefined : largest;
  }

  /**
   * Replicas for a burst. Undefined: the load is not a burst. Starting replicas count as capacity,
   * because they will serve it; replicas beyond the target do not.
   */
  burst(window: LoadWindow, ongoing: number): number | undefined {
    const { burst, targetOngoingRequests } = this.#config;
    if (burst.disabled) return undefined;
    const capacity = this.#seen.target * targetOngoingRequests;
    const mean = aggregate(window, "MEAN", this.#nowMs);
    const from = burst.threshold * capacity;
    this.#note("burst", rounded(mean), `load of the last ${seconds(burst.windowMs)}; a burst from ${rounded(from)}`);
    if (!(mean > 0 && capacity > 0 && mean >= from)) return undefined;
    const wanted = this.#needed(mean);
    const { target, running, startupMs } = this.#seen;
    // Starting replicas will serve the backlog, in a burst as well.
    const starting = running < target && this.#nowMs - this.#before.raisedAtMs < startupMs;
    return starting ? Math.min(wanted, Math.max(target, this.#needed(ongoing))) : wanted;
  }

  /** Replicas for the waiting requests of a deployment with target 0. */
  fromZero(now: number): number {
    return Math.max(1, this.#needed(now));
  }

  /** Replicas for this load, and the spare ones. */
  #needed(load: number): number {
    return Math.ceil(load / this.#config.targetOngoingRequests - slack) + this.#spare;
  }

  choose(proposals: Proposals): Wish {
    const { up, bursting, now } = proposals;
    const { target } = this.#seen;
    if (target === 0 && now > 0)
      return {
        target: this.fromZero(now),
        why: "requests wait and no replica is wanted",
        bound: "zero",
      };
    if (bursting !== undefined && bursting > target) return { target: bursting, why: "a burst", bound: "burst" };
    if (up !== undefined && up > target) return { target: up, why: "the load held for the whole upscale delay", bound: "upscale_delay" };
    const fewer = this.#fewer(proposals);
    if (fewer === undefined) return { target, why: "the replicas are enough for the load", bound: undefined };
    return fewer.target < target ? (this.#hold(proposals) ?? fewer) : fewer;
  }

  /** A step down, or what the last replica waits for. Undefined: all replicas are needed. */
  #fewer({ down, desired, idleSinceMs }: Proposals): Wish | undefined {
    const { target } = this.#seen;
    const { minReplicas, downscaleToZeroDelayMs } = this.#config;
    const lower = down !== undefined && down < target ? Math.max(1, down) : target;
    const step: Wish = { target: lower, why: "the load was lower for the whole downscale delay", bound: "downscale_delay" };
    // Without load, the spare replicas are left, and at least one.
    const idle = desired === this.#spare && (target === Math.max(1, this.#spare) || down === this.#spare);
    const toZero = minReplicas === 0 && idle;
    if (!toZero || target === 0) return lower < target ? step : undefined;
    const idleMs = idleSinceMs === undefined ? 0 : this.#nowMs - idleSinceMs;
    const needed = seconds(downscaleToZeroDelayMs);
    this.#note("downscale_to_zero_delay", Math.floor(idleMs / 1_000), `seconds without any request; ${needed} are needed`);
    const bound: AutoscalingRule = "downscale_to_zero_delay";
    if (idleSinceMs !== undefined && idleMs >= downscaleToZeroDelayMs)
      return { target: 0, why: "there was no request for the whole downscale_to_zero_delay", bound };
    return { ...step, bound, ...(lower < target ? {} : { why: "the last replica waits for downscale_to_zero_delay" }) };
  }

  /** Why a step down is put off, whatever the load. Undefined: no reason. */
  #hold({ knownSinceMs, burstAtMs }: Proposals): Wish | undefined {
    const { target } = this.#seen;
    const { lookBackPeriodMs } = this.#config;
    const recent = (sinceMs: number) => this.#nowMs - sinceMs < lookBackPeriodMs;
    const putOff = (reason: PutOff): Wish => ({ target, ...putOffRules[reason], putOff: reason });
    if (knownSinceMs === undefined) return putOff("loadUnknown");
    if (recent(this.#before.sinceMs)) return putOff("watchedTooShort");
    if (recent(knownSinceMs)) return putOff("loadWasUnknown");
    return recent(burstAtMs) ? putOff("recentBurst") : undefined;
  }

  /** The wish limited by the bounds of the config and of the schedules. */
  bounded(wish: Wish): Wish {
    const { minReplicas, maxReplicas } = this.#config;
    const { scheduledMin } = this.#seen;
    const least = Math.min(maxReplicas, Math.max(minReplicas, scheduledMin));
    this.#note("min_replicas", least, scheduledMin > minReplicas ? "the fewest, by a schedule that holds now" : "the fewest");
    this.#note("max_replicas", maxReplicas, "the most");
    if (wish.target < least)
      return { target: least, why: scheduledMin > minReplicas ? "a schedule holds" : "this is the minimum", bound: "min_replicas" };
    return wish.target > maxReplicas ? { ...wish, target: maxReplicas, bound: "max_replicas" } : wish;
  }

  /** Makes sure that the rule that limited the decision is among those noted. */
  noteBound({ bound, why }: Wish): void {
    if (bound !== undefined && this.noted.every(({ name }) => name !== bound)) this.#note(bound, 1, why);
  }

  #note(name: AutoscalingRule, value: number, meaning: string): void {
    this.noted.push({ name, value, meaning });
  }
}

function summaryOf(before: number, after: number, why: string): string {
  if (before === after) return `stays at ${replicas(after)}: ${why}`;
  return `${after > before ? "up" : "down"} from ${before} to ${replicas(after)}: ${why}`;
}

const replicas = (count: number): string => (count === 1 ? "1 replica" : `${count} replicas`);
const seconds = (ms: number): string => `${rounded(ms / 1_000)} s`;
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;
