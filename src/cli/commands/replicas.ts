import { type Replica, ReplicaSchema, ReplicaState } from "../../../gen/drover/v1/deployment_pb.ts";
import { everyPage } from "../../rpc/every-page.ts";
import { exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption } from "../command.ts";
import { firstLine } from "../plain-text.ts";
import { age, colorState, messageJson, printJson, printTable, replicaState } from "../print.ts";
import type { Session } from "../session.ts";

/** `drover replicas`: the replicas. */
export const addReplicas: AddCommand = (program, act) => {
  program
    .command("replicas")
    .description("list the replicas of one deployment, or of all")
    .argument("[name]", "the deployment")
    .option("-a, --all", "also those that were stopped")
    .addOption(outputOption())
    .addHelpText("after", examples("drover replicas sentiment", "drover replicas --all -o json"))
    .action(
      act(async (session, name: string | undefined, flags: { readonly output: Format; readonly all?: boolean }) => {
        const replicas = (await allReplicas(session, name ?? "")).filter(({ state }) => flags.all || state !== ReplicaState.STOPPED);
        if (flags.output === "json")
          printJson(
            session,
            replicas.map((replica) => messageJson(ReplicaSchema, replica)),
          );
        else if (replicas.length === 0) session.note("no replicas");
        else printReplicas(session, replicas);
        return exitCodes.done;
      }),
    );
};

export async function allReplicas(session: Session, deployment: string): Promise<readonly Replica[]> {
  const controller = session.controller();
  const all: Replica[] = [];
  for await (const page of everyPage((pageToken) => controller.listReplicas({ deployment, pageToken, pageSize: 1_000 }, session.brief)))
    all.push(...page.replicas);
  return all;
}

export function printReplicas(session: Session, replicas: readonly Replica[]): void {
  const { colors, io } = session;
  printTable(
    session,
    ["REPLICA", "STATE", "REVISION", "CONFIG", "PID", "ONGOING", "DONE", "FAILED", "AGE", "MESSAGE"],
    replicas.map((replica) => [
      replica.replicaId,
      colorState(colors, replicaState(replica.state)),
      String(replica.revision),
      replica.configGeneration === 0n ? "-" : String(replica.configGeneration),
      replica.pid === 0n ? "-" : String(replica.pid),
      String(replica.ongoingRequests),
      String(replica.completedTotal),
      String(replica.failedTotal),
      age(io.nowMs(), replica.createTime),
      firstLine(replica.message),
    ]),
  );
}
