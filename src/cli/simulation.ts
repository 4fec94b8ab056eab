import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { SimulatedPoint } from "../../gen/drover/v1/controller_service_pb.ts";

/** The highest values in a part of a simulation. */
export interface SimulationColumn {
  /** Since the begin. */
  readonly atMs: number;
  /** Replicas that the load needs: load divided by `target_ongoing_requests`. */
  readonly needed: number;
  readonly wanted: number;
  readonly running: number;
}

/**
 * The simulation in columns of equal time, each with the highest of its values. A point holds until
 * the next.
 */
export function columnsOf(points: readonly SimulatedPoint[], target: number, count: number): readonly SimulationColumn[] {
  const times = points.map(({ time }) => (time ? timestampMs(time) : 0));
  const [startMs = 0, endMs = 0] = [times[0], times.at(-1)];
  const widthMs = Math.max(1, endMs - startMs) / count;
  let next = 0;
  let held: Omit<SimulationColumn, "atMs"> = { needed: 0, wanted: 0, running: 0 };
  return Array.from({ length: count }, (_, index) => {
    const atMs = index * widthMs;
    const untilMs = index === count - 1 ? Number.POSITIVE_INFINITY : startMs + atMs + widthMs;
    const first = points[next];
    // What a point says at the begin of a column replaces what held before.
    let highest = first !== undefined && (times[next] ?? 0) <= startMs + atMs ? valuesOf(first, target) : held;
    for (let point = points[next]; point !== undefined && (times[next] ?? 0) < untilMs; point = points[++next]) {
      held = valuesOf(point, target);
      highest = {
        needed: Math.max(highest.needed, held.needed),
        wanted: Math.max(highest.wanted, held.wanted),
        running: Math.max(highest.running, held.running),
      };
    }
    return { atMs, ...highest };
  });
}

function valuesOf({ totalRequests, desired, running }: SimulatedPoint, target: number): Omit<SimulationColumn, "atMs"> {
  return { needed: totalRequests / target, wanted: desired, running };
}

/** At most `count` steps of a round length that reach `highest`. */
export function ticksUpTo(highest: number, count: number): readonly number[] {
  const rough = Math.max(highest, 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough);
  return Array.from({ length: Math.floor(Math.max(highest, 1) / step) + 1 }, (_, index) => index * step);
}
