// The threads of a replica's libraries: Drover sets OMP_NUM_THREADS to the replica's whole CPUs, at
// least 1, so that replicas do not compete for cores. A program can set it itself, before it loads
// the library that reads it.
//   drover run threads.ts
import { deployment } from "drover";

class Threads {
  constructor({ threads }: { threads: number }) {
    process.env.OMP_NUM_THREADS = String(threads);
    // Load the library here, or by `await import(...)` in a static `create`.
  }

  count(): { threads: number } {
    return { threads: Number(process.env.OMP_NUM_THREADS) };
  }
}

export default deployment(Threads, { version: "1", initArgs: { threads: 2 }, resources: { numCpus: 0.1 } });
