import { GetClusterResponseSchema } from "../../../gen/drover/v1/controller_service_pb.ts";
import type { Resources } from "../../../gen/drover/v1/deployment_pb.ts";
import { type AddCommand, examples, type Format, outputOption } from "../command.ts";
import { exitCodes } from "../failure.ts";
import { age, messageJson, plain, printJson, printTable } from "../print.ts";

/** `drover cluster`: resources and controllers. */
export const addCluster: AddCommand = (program, act) => {
  program
    .command("cluster")
    .description("show what the machine has, what is taken, and who leads")
    .addOption(outputOption())
    .addHelpText("after", examples("drover cluster", "drover cluster -o json"))
    .action(
      act(async (session, flags: { readonly output: Format }) => {
        const cluster = await session.controller().getCluster({}, session.brief);
        if (flags.output === "json") {
          printJson(session, messageJson(GetClusterResponseSchema, cluster));
          return exitCodes.done;
        }
        printTable(session, ["RESOURCE", "CAPACITY", "ALLOCATED", "FREE"], resourceRows(cluster.capacity, cluster.allocated));
        session.print("");
        printTable(
          session,
          ["CONTROLLER", "LEADS", "EPOCH", "AGE"],
          cluster.controllers.map(({ controllerId, leader, epoch, startTime }) => [
            controllerId,
            leader ? "yes" : "no",
            String(epoch),
            age(session.io.nowMs(), startTime),
          ]),
        );
        if (cluster.pending.length > 0) session.print(`\n${session.colors.bold("waiting for resources")}`);
        for (const { replicaId, message } of cluster.pending) session.print(`${replicaId}  ${plain(message)}`);
        return exitCodes.done;
      }),
    );
};

function resourceRows(capacity: Resources | undefined, allocated: Resources | undefined): readonly (readonly string[])[] {
  const gibibyte = 2 ** 30;
  const rows = [
    ["CPU", capacity?.numCpus, allocated?.numCpus, ""],
    ["GPU", capacity?.numGpus, allocated?.numGpus, ""],
    ["memory", Number(capacity?.memoryBytes ?? 0n) / gibibyte, Number(allocated?.memoryBytes ?? 0n) / gibibyte, " GiB"],
  ] as const;
  return rows.map(([name, has = 0, taken = 0, unit]) => [name, ...[has, taken, has - taken].map((amount) => `${round(amount)}${unit}`)]);
}

const round = (amount: number): number => Math.round(amount * 1_000) / 1_000;
