// Scaling by hand: change the number and run this again, or use the command line. Other replicas go
// on; replicas that are removed finish their requests first.
//   drover run scale.ts
//   drover scale square 3
import { deployment } from "drover";

function square(n: number): number {
  return n * n;
}

export default deployment(square, { version: "1", numReplicas: 2, resources: { numCpus: 0.1 } });
