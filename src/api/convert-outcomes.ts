// What each replica did with a config, as messages: in the response to a change, and as a detail of
// the error of a refused change.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type ReconfiguredReplica,
  ReconfiguredReplicaSchema,
  ReconfigureFailureSchema,
  ReconfigureOutcome,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { ConfigChangeRecord, ReplicaOutcome } from "../core/config-change.ts";
import type { ErrorDetail } from "../core/errors.ts";
import { outcomeInWords } from "../core/words/config-change-words.ts";
import { packDetail } from "../rpc/error-detail.ts";
import { detailBytesMax } from "../rpc/status.ts";
import { configProblemToMessage } from "./convert-endings.ts";

const outcomes: Readonly<Record<ReplicaOutcome["outcome"], ReconfigureOutcome>> = {
  ACCEPTED: ReconfigureOutcome.ACCEPTED,
  APPLIED: ReconfigureOutcome.APPLIED,
  REFUSED: ReconfigureOutcome.REFUSED,
  REVERTED: ReconfigureOutcome.REVERTED,
  REPLACED: ReconfigureOutcome.REPLACED,
};

/** What each replica did with the config. */
export function replicasToMessage({
  replicas,
}: {
  readonly replicas: readonly ReplicaOutcome[];
}): MessageInitShape<typeof ReconfiguredReplicaSchema>[] {
  return replicas.map(outcomeToMessage);
}

function outcomeToMessage(one: ReplicaOutcome): MessageInitShape<typeof ReconfiguredReplicaSchema> {
  const { replicaId, outcome, problem, revertProblem } = one;
  return {
    replicaId,
    outcome: outcomes[outcome],
    message: outcomeInWords(one),
    ...(problem && { problem: configProblemToMessage(problem) }),
    ...(revertProblem && { revertProblem: configProblemToMessage(revertProblem) }),
  };
}

/**
 * A replica that takes more bytes in an error is cut to the kinds of its problems and the beginning
 * of its message.
 */
const replicaBytesMax = 512;
const messageCharsMax = 200;
/** The most bytes of a detail besides its replicas: its type's name and a number. */
const frameBytes = 80;
/** Bytes before each replica in the list: its tag and its length. */
const headBytes = 3;

/** The error detail of a change that was refused. Invariant: it fits in `detailBytesMax`. */
export function reconfigureFailure({ replicas: all }: ConfigChangeRecord): ErrorDetail {
  const didWell = ({ problem, revertProblem }: ReplicaOutcome) => problem === undefined && revertProblem === undefined;
  const sorted = [...all.filter((one) => !didWell(one)), ...all.filter(didWell)];
  const replicas: ReconfiguredReplica[] = [];
  let left = detailBytesMax - frameBytes;
  for (const one of sorted) {
    const { message, bytes } = fitting(create(ReconfiguredReplicaSchema, outcomeToMessage(one)));
    left -= bytes + headBytes;
    if (left < 0) break;
    replicas.push(message);
  }
  return packDetail(ReconfigureFailureSchema, { replicas, replicasLeftOut: all.length - replicas.length });
}

function fitting(whole: ReconfiguredReplica): { readonly message: ReconfiguredReplica; readonly bytes: number } {
  const sizeOf = (message: ReconfiguredReplica) => toBinary(ReconfiguredReplicaSchema, message).length;
  const bytes = sizeOf(whole);
  if (bytes <= replicaBytesMax) return { message: whole, bytes };
  const { replicaId, outcome, problem, revertProblem } = whole;
  const message = create(ReconfiguredReplicaSchema, {
    replicaId,
    outcome,
    message: whole.message.length <= messageCharsMax ? whole.message : `${whole.message.slice(0, messageCharsMax - 1).toWellFormed()}…`,
    ...(problem && { problem: { kind: problem.kind } }),
    ...(revertProblem && { revertProblem: { kind: revertProblem.kind } }),
  });
  return { message, bytes: sizeOf(message) };
}
