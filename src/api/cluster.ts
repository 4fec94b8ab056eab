import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { GetClusterResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { StatusError } from "../core/errors.ts";
import { messageBytes } from "../core/message-bounds.ts";
import { byCreation } from "../core/placement/placement.ts";
import { type Room, unseenReplicas } from "../core/placement/room.ts";
import { holds, type ReplicaRecord } from "../core/replica.ts";
import { allocated, type Resources } from "../core/resources.ts";
import { mayBeRead } from "../core/store-trouble.ts";
import { replicaInWords } from "../core/words/replica-words.ts";
import type { Store } from "../store/store.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { resourcesToMessage } from "./convert.ts";
import { storeTroubleToMessage, waitToMessage } from "./convert-facts.ts";

/** The most pending replicas that `GetCluster` returns. */
const pendingMax = 1_000;

/** Capacity, what replicas hold, pending replicas, and the controllers. */
export function clusterHandlers(parts: ControllerParts): ControllerHandlers<"getCluster"> {
  return { getCluster: () => cluster(parts) };
}

async function cluster({
  store,
  mirror,
  room,
  view,
  bundles: { bounds },
  messageBytesMax = messageBytes.default,
}: ControllerParts): Promise<MessageInitShape<typeof GetClusterResponseSchema>> {
  // A store that is known to be away is not asked again, so that this answer, which says so, is not
  // late. The leader asks it all the time.
  if (canBeRead(store)) await view.catchUp();
  const { controllers, leader } = await controllersOf(store);
  const { trouble } = store;
  const replicas = [...mirror.replicas().values()].map(({ value }) => value);
  // By their recorded states. The leader, which sees processes too, also counts a FAILED replica until
  // its process has ended, so for a moment less may be free than this answer shows.
  const held = replicas.filter(({ state }) => holds(state));
  const { capacity, memoryLimit } = capacityOf(room());
  const names = [...new Set(held.map(({ deployment }) => deployment))].sort();
  return {
    ...(capacity && { capacity: resourcesToMessage(capacity) }),
    allocated: resourcesToMessage(allocated(held)),
    deployments: names.map((deployment) => {
      const own = held.filter((replica) => replica.deployment === deployment);
      return { deployment, replicas: own.length, allocated: resourcesToMessage(allocated(own)) };
    }),
    ...(memoryLimit !== undefined && { memoryLimit }),
    pending: replicas
      .filter(({ state }) => state === "PENDING")
      .sort(byCreation)
      .slice(0, pendingMax)
      .map((replica) => ({
        replicaId: replica.id,
        deployment: replica.deployment,
        resources: resourcesToMessage(replica.resources),
        message: replicaInWords(replica),
        ...(replica.waits && { pendingReason: waitToMessage(replica.waits) }),
      })),
    controllers: controllers.map(({ id, startedAtMs }) => ({
      controllerId: id,
      leader: id === leader?.id,
      epoch: BigInt(id === leader?.id ? leader.epoch : 0),
      startTime: timestampFromMs(startedAtMs),
    })),
    position: BigInt(mirror.position),
    maxMessageBytes: BigInt(messageBytesMax),
    bundleBounds: { maxFiles: bounds.filesMax, maxFileBytes: BigInt(bounds.fileBytesMax), maxBundleBytes: BigInt(bounds.bundleBytesMax) },
    unseenNodes: unseenNodes(held, room()),
    ...(trouble && { storeTrouble: storeTroubleToMessage(trouble) }),
  };
}

const canBeRead = ({ trouble }: Store): boolean => trouble === undefined || mayBeRead(trouble);

/** Which controllers there are is kept in the store alone. */
async function controllersOf(store: Store): ReturnType<Store["controllers"]> {
  const unknown = { controllers: [], leader: undefined };
  if (!canBeRead(store)) return unknown;
  try {
    return await store.controllers();
  } catch (error) {
    if (error instanceof StatusError && error.reason === "STORE_UNAVAILABLE") return unknown;
    throw error;
  }
}

/** How many replicas are on each node that this controller does not see. */
function unseenNodes(held: readonly ReplicaRecord[], room: Room): { readonly node: string; readonly replicas: number }[] {
  const counts = new Map<string, number>();
  for (const { node = "" } of unseenReplicas(held, room)) counts.set(node, (counts.get(node) ?? 0) + 1);
  return [...counts].map(([node, replicas]) => ({ node, replicas })).sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** The capacity, and how memory is limited; neither is known where the engine places replicas. */
function capacityOf(room: Room): { readonly capacity?: Resources; readonly memoryLimit?: string } {
  if (room.kind === "engine") return {};
  const { gpuCount, memoryLimit = "memory_bytes is only counted", ...has } = room.capacity;
  return { capacity: { ...has, gpuMilli: gpuCount * 1_000 }, memoryLimit };
}
