import type { Aggregation } from "../autoscaling-config.ts";

/** A value over a period. */
interface Piece {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly mean: number;
  readonly max: number;
  readonly min: number;
}

/**
 * The recent past of a step function of time: a pushed value holds until the next one. Invariant:
 * at most {@link piecesMax} pieces. Beyond that, neighbours are merged, which keeps the mean and
 * moves highs and lows by less than a 60th of the span.
 */
export interface LoadWindow {
  readonly spanMs: number;
  /** The oldest first. Each ends where the next one begins. */
  readonly pieces: readonly Piece[];
  /** The present value, and since when it holds. */
  readonly value: number;
  readonly sinceMs: number;
}

export const piecesMax = 120;

export function emptyWindow(spanMs: number, value: number, nowMs: number): LoadWindow {
  return { spanMs, pieces: [], value, sinceMs: nowMs };
}

/**
 * The window with a value that holds from now on. An earlier `nowMs` than the last one counts as
 * the last one.
 */
export function push(window: LoadWindow, value: number, nowMs: number): LoadWindow {
  const { spanMs, sinceMs } = window;
  if (nowMs <= sinceMs) return { ...window, value };
  const held: Piece = { fromMs: sinceMs, untilMs: nowMs, mean: window.value, max: window.value, min: window.value };
  const last = window.pieces.at(-1);
  const widthMs = spanMs / (piecesMax / 2);
  const merges = last !== undefined && held.untilMs - last.fromMs <= widthMs;
  const kept = window.pieces.filter(({ untilMs }) => untilMs > nowMs - spanMs);
  const pieces = merges && kept.length > 0 ? [...kept.slice(0, -1), merged(last, held)] : [...kept, held];
  return { spanMs, pieces: pieces.slice(-piecesMax), value, sinceMs: nowMs };
}

function merged(one: Piece, next: Piece): Piece {
  const [oneMs, nextMs] = [one.untilMs - one.fromMs, next.untilMs - next.fromMs];
  return {
    fromMs: one.fromMs,
    untilMs: next.untilMs,
    mean: (one.mean * oneMs + next.mean * nextMs) / (oneMs + nextMs),
    max: Math.max(one.max, next.max),
    min: Math.min(one.min, next.min),
  };
}

/** Since when the window knows the value. */
export function knownSinceMs({ pieces, sinceMs }: LoadWindow): number {
  return pieces[0]?.fromMs ?? sinceMs;
}

/**
 * The value over the window's span: its time-weighted mean, its highest or its lowest. An earlier
 * `nowMs` than the last one counts as the last one.
 */
export function aggregate(window: LoadWindow, how: Aggregation, nowMs: number): number {
  const untilMs = Math.max(nowMs, window.sinceMs);
  const fromMs = untilMs - window.spanMs;
  const current: Piece = { fromMs: window.sinceMs, untilMs, mean: window.value, max: window.value, min: window.value };
  const pieces = [...window.pieces, current].filter(({ untilMs }) => untilMs > fromMs);
  if (how === "MAX") return Math.max(window.value, ...pieces.map(({ max }) => max));
  if (how === "MIN") return Math.min(window.value, ...pieces.map(({ min }) => min));
  let [sum, ms] = [0, 0];
  for (const piece of pieces) {
    const heldMs = piece.untilMs - Math.max(piece.fromMs, fromMs);
    sum += piece.mean * heldMs;
    ms += heldMs;
  }
  return ms > 0 ? sum / ms : window.value;
}
