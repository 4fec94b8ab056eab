#!/usr/bin/env node
import { processIo } from "./cli/io.ts";
import { runCli } from "./cli/run-cli.ts";
import { realClock } from "./clock/real.ts";
import { type Config, hidePassword } from "./config/config.ts";

/** `drover start`: what it needs is loaded only here, so that the other commands start fast. */
async function start(config: Config, interrupted: AbortSignal): Promise<number> {
  const { runController } = await import("./controller.ts");
  await runController(config, interrupted, ({ api, gateway, http, redis }) => {
    process.stdout.write(
      [
        "drover is up",
        `  gateway  ${gateway}  (requests to deployments, gRPC)`,
        `  api      ${api}  (controller, gRPC)`,
        `  http     ${http}  (/healthz, /metrics)`,
        `  redis    ${hidePassword(redis)}`,
        `  data     ${config.dataDir}`,
        "",
      ].join("\n"),
    );
  });
  return 0;
}

// What a module that was imported to be deployed left open must not keep the command waiting.
process.exit(await runCli(process.argv.slice(2), processIo({ nowMs: () => realClock.nowMs(), start })));
