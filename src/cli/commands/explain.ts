import { type Decision, DecisionSchema, DecisionSource } from "../../../gen/drover/v1/controller_service_pb.ts";
import type { Deployment } from "../../../gen/drover/v1/deployment_pb.ts";
import { StatusError } from "../../core/errors.ts";
import { nameOf } from "../../rpc/enum-name.ts";
import { everyPage } from "../../rpc/every-page.ts";
import { CliError, exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption, readInteger } from "../command.ts";
import { statusInWords } from "../conditions.ts";
import { plain } from "../plain-text.ts";
import { age, colorState, deploymentState, messageJson, printJson } from "../print.ts";
import type { Session } from "../session.ts";

interface ExplainFlags {
  readonly limit: number;
  readonly follow?: boolean;
  readonly output: Format;
}

const limitDefault = 10;
const limitMax = 1_000;

/** `drover explain`: what the controller decided, and why. */
export const addExplain: AddCommand = (program, act) => {
  program
    .command("explain")
    .description("show how a deployment is, and what the controller decided for it and why, the last decision last")
    .argument("<name>", "the deployment")
    .option("--limit <number>", "the last decisions to begin with", readInteger(1, limitMax), limitDefault)
    .option("-f, --follow", "go on with new decisions until Ctrl-C")
    .addOption(outputOption("text"))
    .addHelpText("after", examples("drover explain sentiment", "drover explain sentiment --follow", "drover explain sentiment -o json"))
    .action(
      act(async (session, name: string, flags: ExplainFlags) => {
        const { deployment } = await session.controller().getDeployment({ name }, session.brief);
        if (!deployment) throw new CliError("the controller answered without a deployment");
        if (flags.output === "text") session.print(stateInWords(session, deployment));
        const decisions = await lastDecisions(session, name, flags.limit);
        printAll(session, decisions, flags);
        if (flags.follow) await follow(session, name, decisions.at(-1)?.number ?? 0n, flags.output);
        return exitCodes.done;
      }),
    );
};

/** The oldest first. */
async function lastDecisions(session: Session, name: string, limit: number): Promise<readonly Decision[]> {
  const controller = session.controller();
  const newest: Decision[] = [];
  for await (const page of everyPage((pageToken) => controller.listDecisions({ name, pageToken, pageSize: limit }, session.brief))) {
    newest.push(...page.decisions);
    if (newest.length >= limit) break;
  }
  return newest.slice(0, limit).reverse();
}

function printAll(session: Session, decisions: readonly Decision[], { output, follow }: ExplainFlags): void {
  if (output === "json" && !follow)
    printJson(
      session,
      decisions.map((decision) => messageJson(DecisionSchema, decision)),
    );
  else if (decisions.length === 0) session.note("no decisions yet");
  else for (const decision of decisions) print(session, decision, output);
}

/** Prints decisions after that number as they come, until the deployment is gone. */
async function follow(session: Session, name: string, after: bigint, output: Format): Promise<void> {
  let last = after;
  for (;;) {
    try {
      for await (const { decision } of session.controller().watchDecisions({ name }, { signal: session.io.interrupted })) {
        if (!decision || decision.number <= last) continue;
        last = decision.number;
        print(session, decision, output);
      }
      session.note(`${name}: was deleted`);
      return;
    } catch (error) {
      if (!(error instanceof StatusError && error.reason === "WATCH_EXPIRED")) throw error;
    }
  }
}

function print(session: Session, decision: Decision, output: Format): void {
  if (output === "json") session.print(JSON.stringify(messageJson(DecisionSchema, decision)));
  else session.print(`\n${decisionInWords(session, decision)}`);
}

/** `sentiment is UPDATING: 3 of 4 running; …` */
function stateInWords({ colors }: Session, { spec, status }: Deployment): string {
  return `${spec?.name} is ${colorState(colors, deploymentState(status))}: ${plain(statusInWords(status))}`;
}

/** The decision in the first line; below it each rule with its value, and the inputs. */
function decisionInWords({ io, colors }: Session, decision: Decision): string {
  const { decideTime, source, summary, bound, rules, inputs } = decision;
  const when = `${age(io.nowMs(), decideTime)} ago`;
  const held = bound === "" ? "" : `  ${colors.yellow(`(bound by ${plain(bound)})`)}`;
  const nameWidth = Math.max(0, ...rules.map(({ name }) => name.length));
  const valueWidth = Math.max(0, ...rules.map(({ value }) => String(value).length));
  const given = Object.entries(inputs)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${value}`);
  return [
    `${colors.dim(when)}  ${nameOf(DecisionSource, source).toLowerCase()}  ${plain(summary)}${held}`,
    ...rules.map(({ name, value, meaning }) => {
      const line = plain(`  ${name.padEnd(nameWidth)}  ${String(value).padStart(valueWidth)}  ${meaning}`).trimEnd();
      return name === bound ? colors.yellow(line) : line;
    }),
    ...(given.length === 0 ? [] : [plain(`  from: ${given.join(", ")}`)]),
  ].join("\n");
}
