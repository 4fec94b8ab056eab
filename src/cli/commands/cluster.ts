import { GetClusterResponseSchema } from "../../../gen/drover/v1/controller_service_pb.ts";
import type { Resources } from "../../../gen/drover/v1/deployment_pb.ts";
import { exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption } from "../command.ts";
import { plain } from "../plain-text.ts";
import { age, messageJson, printJson, printTable } from "../print.ts";

/** `drover cluster`: resources and controllers. */
export const addCluster: AddCommand = (program, act) => {
  program
    .command("cluster")
    .description("show what the machine has, what replicas hold, and which controller leads")
    .addOption(outputOption())
    .addHelpText("after", examples("drover cluster", "drover cluster -o json"))
    .action(
      act(async (session, flags: { readonly output: Format }) => {
        const cluster = await session.controller().getCluster({}, session.brief);
        if (flags.output === "json") {
          printJson(session, messageJson(GetClusterResponseSchema, cluster));
          return exitCodes.done;
        }
        const { capacity, allocated, memoryLimit, storeTrouble } = cluster;
        if (storeTrouble !== undefined) session.note(`the controller cannot act: ${plain(storeTrouble.message)}\n`);
        printTable(session, ["RESOURCE", "CAPACITY", "ALLOCATED", ...(capacity ? ["FREE"] : [])], resourceRows(capacity, allocated));
        if (memoryLimit !== "") session.print(plain(memoryLimit));
        session.print("");
        if (cluster.deployments.length > 0) {
          const rows = cluster.deployments.map(({ deployment, replicas, allocated }) => [
            deployment,
            String(replicas),
            amountsOf(allocated),
          ]);
          printTable(session, ["DEPLOYMENT", "REPLICAS", "HOLDS"], rows);
          session.print("");
        }
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

const gibibyte = 2 ** 30;

/** Without a capacity it is not known what is free. */
function resourceRows(capacity: Resources | undefined, allocated: Resources | undefined): readonly (readonly string[])[] {
  const rows = [
    ["CPU", capacity?.numCpus, allocated?.numCpus, ""],
    ["GPU", capacity?.numGpus, allocated?.numGpus, ""],
    ["memory", Number(capacity?.memoryBytes ?? 0n) / gibibyte, Number(allocated?.memoryBytes ?? 0n) / gibibyte, " GiB"],
  ] as const;
  const custom = Object.keys((capacity ?? allocated)?.custom ?? {}).sort();
  const named = custom.map((name) => [name, capacity?.custom[name], allocated?.custom[name], ""] as const);
  return [...rows, ...named].map(([name, has = 0, taken = 0, unit]) => {
    const shown = (amount: number) => `${round(amount)}${unit}`;
    return capacity ? [name, shown(has), shown(taken), shown(has - taken)] : [name, "-", shown(taken)];
  });
}

/** What a deployment holds, in words: `2 CPU, 1 GPU`. */
function amountsOf(held: Resources | undefined): string {
  const { numCpus = 0, numGpus = 0, memoryBytes = 0n, custom = {} } = held ?? {};
  const amounts = [
    ...(numCpus > 0 ? [`${round(numCpus)} CPU`] : []),
    ...(numGpus > 0 ? [`${round(numGpus)} GPU`] : []),
    ...(memoryBytes > 0n ? [`${round(Number(memoryBytes) / gibibyte)} GiB`] : []),
    ...Object.keys(custom)
      .sort()
      .map((name) => `${round(custom[name] ?? 0)} ${name}`),
  ];
  return amounts.length === 0 ? "nothing" : amounts.join(", ");
}

const round = (amount: number): number => Math.round(amount * 1_000) / 1_000;
