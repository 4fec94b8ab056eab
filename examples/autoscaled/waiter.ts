// A program that waits for something else most of the time, as one does that asks a database; with as many replicas as its load needs.
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
    minReplicas: 0, // none while there are no requests: the next one starts the first
    maxReplicas: 5,
    targetOngoingRequests: 4, // requests in work and waiting that one replica is to have
    upscaleDelay: "2s", // more were needed for so long; a burst does not wait
    downscaleDelay: "4s",
    lookBackPeriod: "2s",
  },
});
