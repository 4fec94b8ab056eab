import { randomInt } from "node:crypto";
import type { Clock, Random } from "./clock.ts";

/** What the machine's clock said when the monotonic clock of this process began. */
const beganMs = Date.now() - performance.now();

export const realClock: Clock = {
  nowMs: () => Math.floor(beganMs + performance.now()),
  wallMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        stop();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const stop = startTimer(ms, done);
      signal?.addEventListener("abort", done);
    }),
  after: (ms, run) => startTimer(ms, run, (timer) => timer.unref()),
};

/** The longest timer that Node has, in milliseconds; it takes a longer one for 1 ms. */
const timerMsMax = 2 ** 31 - 1;

/** A timer of any length. Returns the function that stops it. */
function startTimer(ms: number, run: () => void, prepare: (timer: NodeJS.Timeout) => void = () => {}): () => void {
  let timer: NodeJS.Timeout;
  const start = (leftMs: number) => {
    timer = setTimeout(() => (leftMs > timerMsMax ? start(leftMs - timerMsMax) : run()), Math.min(leftMs, timerMsMax));
    prepare(timer);
  };
  start(ms);
  return () => clearTimeout(timer);
}

const letters = "abcdefghijklmnopqrstuvwxyz0123456789";

export const realRandom: Random = {
  next: () => Math.random(),
  id: (length) => Array.from({ length }, () => letters[randomInt(letters.length)]).join(""),
};
