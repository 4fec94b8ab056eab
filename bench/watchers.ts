// Many watches of all deployments in one process, for `watch.ts`. Sends a message when all are in
// sync, and one when all have seen the label that it was sent.
import { ControllerService } from "../gen/drover/v1/controller_service_pb.ts";
import { Channel } from "../src/rpc/channel.ts";

const watchesPerChannel = 100;
const [api = "", count = "0"] = process.argv.slice(2);

/** How many watches have seen each label. */
const seen = new Map<string, number>();
let wanted: string | undefined;
let synced = 0;
let events = 0;

async function watch(channel: Channel): Promise<void> {
  for await (const { event } of channel.client(ControllerService).watchDeployments({})) {
    if (event.case === "synced") synced += 1;
    if (event.case === "synced" && synced === Number(count)) process.send?.({ synced });
    if (event.case !== "deploymentUpdated") continue;
    events += 1;
    const label = event.value.spec?.labels.n ?? "";
    seen.set(label, (seen.get(label) ?? 0) + 1);
    report();
  }
}

function report(): void {
  if (wanted === undefined || (seen.get(wanted) ?? 0) < Number(count)) return;
  process.send?.({ events });
  wanted = undefined;
}

process.on("message", (label: string) => {
  wanted = label;
  report();
});
const channels = Array.from({ length: Math.ceil(Number(count) / watchesPerChannel) }, () => new Channel(api));
if (Number(count) === 0) process.send?.({ synced });
for (let i = 0; i < Number(count); i++) void watch(channels[Math.floor(i / watchesPerChannel)] as Channel);
