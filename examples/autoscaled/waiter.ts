// A program that mostly waits, as for a database, with as many replicas as its load needs.
import { setTimeout as wait } from "node:timers/promises";
import { deployment } from "drover";

class Waiter {
  async serve({ ms = 200 }: { ms?: number }) {
    await wait(ms);
    return { waited: ms };
  }
}

export default deployment(Waiter, {
  version: "1",
  resources: { numCpus: 0.1 },
  maxOngoingRequests: 8,
  autoscalingConfig: {
    minReplicas: 0, // no replica without requests: the next request starts the first replica
    maxReplicas: 5,
    targetOngoingRequests: 4, // wanted load of a replica: requests in work and waiting
    upscaleDelay: "2s", // how long more replicas must be needed; a burst does not wait
    downscaleDelay: "4s",
    lookBackPeriod: "2s",
  },
});
