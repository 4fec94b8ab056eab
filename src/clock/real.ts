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
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener("abort", done);
    }),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

const letters = "abcdefghijklmnopqrstuvwxyz0123456789";

export const realRandom: Random = {
  next: () => Math.random(),
  id: (length) => Array.from({ length }, () => letters[randomInt(letters.length)]).join(""),
};
