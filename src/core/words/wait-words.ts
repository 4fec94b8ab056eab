import { formatBytes, formatMilli, gpusWanted, wholeGpuMilli } from "../resources.ts";
import type { Shortage, Wait } from "../wait.ts";
import { preparingInWords } from "./ending-words.ts";
import { healthProblemInWords } from "./failure-words.ts";

/** Why a replica does not serve yet. Together with its id it makes a sentence. */
export function waitInWords(wait: Wait): string {
  switch (wait.kind) {
    case "resources":
      return `waits for ${wait.short.map(shortageInWords).join("; ")}`;
    case "neverFits": {
      const each = wait.short.map(neverFits);
      return `${each.map(({ fact }) => fact).join("; ")}: it can never start here; ${each.map(({ remedy }) => remedy).join("; ")}`;
    }
    case "turn":
      return `waits its turn: free resources are kept for replica ${wait.keptFor}, which has waited longer for more`;
    case "engine":
      return `is not placed yet: ${wait.reason}`;
    case "packages":
      return preparingInWords(wait);
    case "notServing":
      return healthProblemInWords(wait.problem);
  }
}

function shortageInWords({ resource, name, wanted, free, total }: Shortage): string {
  switch (resource) {
    case "cpu":
      return `CPU: wants ${formatMilli(wanted)}, ${formatMilli(free)} of ${formatMilli(total)} free`;
    case "gpu":
      return wanted < wholeGpuMilli
        ? `GPU: wants ${formatMilli(wanted)} of one, at most ${formatMilli(free)} of one is free`
        : `GPU: wants ${gpusWanted({ gpuMilli: wanted })} whole, ${formatMilli(free)} of ${formatMilli(total)} free`;
    case "memory":
      return `memory: wants ${formatBytes(wanted)}, ${formatBytes(free)} of ${formatBytes(total)} free`;
    case "custom":
      return `${name}: wants ${formatMilli(wanted)}, ${formatMilli(free)} of ${formatMilli(total)} free`;
  }
}

function neverFits({ resource, name, wanted, total }: Shortage): { readonly fact: string; readonly remedy: string } {
  const has = "this machine has";
  switch (resource) {
    case "cpu":
      return { fact: `wants ${formatMilli(wanted)} CPUs, ${has} ${formatMilli(total)}`, remedy: "lower num_cpus or add CPUs (--num-cpus)" };
    case "gpu":
      return { fact: `wants ${formatMilli(wanted)} GPUs, ${has} ${formatMilli(total)}`, remedy: "lower num_gpus or add GPUs (--num-gpus)" };
    case "memory":
      return { fact: `wants ${formatBytes(wanted)} of memory, ${has} ${formatBytes(total)}`, remedy: "lower memory_bytes" };
    case "custom":
      return {
        fact: `wants ${formatMilli(wanted)} of "${name}", ${has} ${formatMilli(total)}`,
        remedy: `lower it or give it (drover start --resource ${name}=AMOUNT)`,
      };
  }
}
