// The threads of a replica's libraries: Drover sets OMP_NUM_THREADS to the whole CPUs a replica holds, at least 1, so that replicas do not
// crowd each other out. A program that knows better sets it itself, before it loads what reads it.
//   drover run threads.ts
import { deployment } from "drover";

class Threads {
  constructor({ threads }: { threads: number }) {
    process.env.OMP_NUM_THREADS = String(threads);
    // Here the program would load its library, by `await import(...)` in a static `create`.
  }

  count(): { threads: number } {
    return { threads: Number(process.env.OMP_NUM_THREADS) };
  }
}

export default deployment(Threads, { version: "1", initArgs: { threads: 2 }, resources: { numCpus: 0.1 } });
