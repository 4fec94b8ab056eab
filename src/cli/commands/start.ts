import { type Flags, readConfig } from "../../config/config.ts";
import { usage } from "../cli-error.ts";
import { type AddCommand, collect, examples } from "../command.ts";

/** `drover start`: runs a controller with its gateway in this process. */
export const addStart: AddCommand = (program, act) => {
  program
    .command("start")
    .description("run a controller and its gateway, until Ctrl-C")
    .option("--http <host:port>", "metrics and health over HTTP (DROVER_HTTP; default 127.0.0.1:9002)")
    .option("--http-name <name>", "a name under which the HTTP port is reached; may be repeated (DROVER_HTTP_NAMES)", collect)
    .option("--redis <url>", "the Redis to keep state in (DROVER_REDIS_URL; default: a private redis-server)")
    .option("--data <folder>", "where state, sockets and logs are kept (DROVER_DATA; default .drover)")
    .option("--ready-file <path>", "where to write the addresses as JSON once everything serves")
    .option("--keep-replicas", "let replicas go on running when the controller stops")
    .option("--forget-node <name>", "a node that is gone for good: its replicas are given up and replaced; may be repeated", collect)
    .option("--insecure", "allow addresses that other machines can reach; there is no TLS yet")
    .option("--num-cpus <number>", "CPUs to give out (default: those of the machine)")
    .option("--num-gpus <number>", "GPUs to give out (default: those of the machine)")
    .option("--resource <name=amount>", "a resource of your own to give out, such as tpu=4; may be repeated", collect)
    .option("--autoscale-cron <expression>", "when the autoscaler runs (DROVER_AUTOSCALE_CRON; default each second, '* * * * * *')")
    .option("--max-message-bytes <size>", "the largest request or answer, such as 1GiB (DROVER_MAX_MESSAGE_BYTES; default 64MiB)")
    .option("--bundles <place>", "where files of programs are kept: folder (of the data) or redis (DROVER_BUNDLES; default folder)")
    .option("--log-level <level>", "trace, debug, info, warn, error, fatal or silent (DROVER_LOG_LEVEL; default info)")
    .addHelpText("after", examples("drover start", "drover start --api :0 --gateway :0 --http :0 --ready-file ready.json"))
    .action(
      act(async (session, _flags: unknown, command: { optsWithGlobals(): Flags }) => {
        const { io } = session;
        const read = readConfig(command.optsWithGlobals(), io.env, io.cwd);
        if ("problems" in read) throw usage(...read.problems);
        return io.start(read.config, io.interrupted);
      }),
    );
};
