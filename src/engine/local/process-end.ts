import type { ProcessEnd } from "../../core/ending.ts";

/** How a child process ended, from the arguments of Node's `exit` event. */
export function processEnd(code: number | null, signal: NodeJS.Signals | null): ProcessEnd {
  return signal === null ? { kind: "exit", code: code ?? 0 } : { kind: "signal", signal };
}
