import type { Deployment } from "../../gen/drover/v1/deployment_pb.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { WaitFlags } from "./command.ts";
import { deleteDeployments, targetsOf } from "./delete-deployments.ts";
import { failureLines } from "./failure.ts";
import { printLogs } from "./print-logs.ts";
import type { Session } from "./session.ts";
import { waitUntilGone, waitUntilHealthy } from "./wait.ts";
import { watchDeployments } from "./watch.ts";

/**
 * Prints what the replicas of deployments print until Ctrl-C, and then deletes these deployments,
 * still printing. It also deletes them where they do not become healthy, or one of them is deleted
 * by somebody else. Returns the exit code.
 */
export async function attach(
  session: Session,
  deployed: readonly Deployment[],
  { wait, timeout }: WaitFlags,
  pruned: readonly string[],
): Promise<number> {
  const over = new AbortController();
  // Lines that are rewritten in place would overwrite those of the replicas.
  const stderr = { write: (chunk: string | Uint8Array) => session.io.stderr.write(chunk) };
  const holding = session.with({ stderr, interrupted: AbortSignal.any([over.signal, session.io.interrupted]) });
  const lasting = session.with({ stderr, interrupted: over.signal });
  const names = deployed.map(({ spec }) => spec?.name ?? "");
  const logs = printLogs(lasting, names, { follow: true, output: "text" }, over.signal);
  const hold = async () => {
    if (wait) await waitUntilHealthy(holding, deployed, timeout, pruned);
    session.note(`attached to ${names.join(", ")}: Ctrl-C deletes ${names.length === 1 ? "it" : "them"}`);
    await untilDeleted(holding, deployed);
  };
  try {
    await Promise.race([logs, hold()]);
    throw new CliError("the controller ended the logs");
  } catch (error) {
    const why = session.io.interrupted.aborted ? [] : failureLines(error, session.called);
    const failures = [...why, ...(await takeAway(lasting, deployed, timeout))];
    if (failures.length > 0) throw new CliError(failures);
    return exitCodes.interrupted;
  } finally {
    over.abort();
    await logs.catch(() => {});
  }
}

/** Never resolves. Throws once one of the deployments is gone, or another one has its name. */
async function untilDeleted(session: Session, deployed: readonly Deployment[]): Promise<never> {
  const uids = new Map(deployed.map(({ spec, uid }) => [spec?.name ?? "", uid]));
  for await (const { deployments, synced } of watchDeployments(session, [...uids.keys()])) {
    const gone = [...uids].find(([name, uid]) => synced && deployments.get(name)?.uid !== uid);
    if (gone !== undefined) throw new CliError(`${gone[0]}: was deleted`);
  }
  throw new CliError("the controller ended the watch");
}

/** Deletes the deployments and waits until they are gone. Returns the lines that show what failed. */
export async function takeAway(session: Session, deployed: readonly Deployment[], timeoutMs: number): Promise<readonly string[]> {
  const { deleting, failures } = await deleteDeployments(session, targetsOf(deployed), { allowMissing: true });
  if (deleting.length === 0) return failures;
  session.note("deleting; Ctrl-C again does not wait for the end");
  try {
    await waitUntilGone(session, targetsOf(deleting), timeoutMs);
    return failures;
  } catch (error) {
    return [...failures, ...failureLines(error, session.called)];
  }
}
