// Scaling with the load: Drover keeps the load of each replica, requests in work and waiting, near
// `targetOngoingRequests`, within the bounds.
//   drover run autoscale.ts
//   drover explain sleeper        the decisions, and the numbers behind them
import { setTimeout as sleep } from "node:timers/promises";
import { deployment } from "drover";

class Sleeper {
  async sleep(seconds: number): Promise<{ slept: number }> {
    await sleep(seconds * 1_000);
    return { slept: seconds };
  }
}

export default deployment(Sleeper, {
  version: "1",
  resources: { numCpus: 0.1 },
  maxOngoingRequests: 10, // above the target, so that a replica takes requests while others start
  autoscalingConfig: {
    minReplicas: 1,
    maxReplicas: 5,
    targetOngoingRequests: 2,
    upscaleDelay: "2s", // how long more replicas must be needed
    downscaleDelay: "10s", // how long fewer replicas must be enough
    lookBackPeriod: "2s",
  },
});
