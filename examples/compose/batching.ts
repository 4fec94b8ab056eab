// Batching: a method that works on several requests at once. Each caller sends one item and gets
// the answer to it; an item that fails does not fail the others.
//   drover run batching.ts
//   drover invoke squarer square 7
import { batched, deployment } from "drover";

class Squarer {
  square = batched(async (numbers: readonly number[]) => numbers.map((n) => ({ square: n * n, of: numbers.length })), {
    maxBatchSize: 16,
    batchWaitTimeout: "20ms",
  });
}

export default deployment(Squarer, { version: "1", maxOngoingRequests: 100, resources: { numCpus: 0.1 } });
