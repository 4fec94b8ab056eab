import type { ProcessEnd } from "../../core/ending.ts";

/** How a child process ended, by what Node says of it. */
export function processEnd(code: number | null, signal: NodeJS.Signals | null): ProcessEnd {
  return signal === null ? { kind: "exit", code: code ?? 0 } : { kind: "signal", signal };
}
