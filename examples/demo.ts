// `npm run demo`: the main use on real input, from the start to a clean end. All figures that it
// prints are measured.
//   npm run demo -- --file TEXT     another text than the README
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { Channel, StatusError } from "drover/client";
import { ControllerService } from "drover/gen/drover/v1/controller_service_pb";
import { ReplicaState } from "drover/gen/drover/v1/deployment_pb";
import { InvokeService } from "drover/gen/drover/v1/invoke_service_pb";

const root = resolve(import.meta.dirname, "..");
const { values } = parseArgs({ options: { file: { type: "string", default: join(root, "README.md") } } });
const clients = 16;
const startMaxMs = 30_000;

const bold = (text: string) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);
const say = (text: string) => console.log(text === "" ? "" : `  ${text}`);
const title = (text: string) => console.log(`\n${bold(text)}`);
const count = (number: number) => number.toLocaleString("en");
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** The sentences of a text, without Markdown's markup. */
function sentencesOf(text: string): readonly string[] {
  const prose = text.replace(/```[\s\S]*?```/g, "").replace(/[#>*_`|[\]]/g, " ");
  const sentences = [...new Intl.Segmenter("en", { granularity: "sentence" }).segment(prose)].map(({ segment }) =>
    segment.replace(/\s+/g, " ").trim(),
  );
  return sentences.filter((sentence) => /[a-z]{3}/i.test(sentence));
}

/**
 * Runs the CLI as a user does, and shows its output. Fails if the exit code is not the expected
 * one.
 */
async function drover(args: readonly string[], expected = 0): Promise<void> {
  say(`$ drover ${args.join(" ").replace(`${root}/`, "")}`);
  const child = spawn(process.execPath, [join(root, "dist/src/main.js"), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk));
  const exitCode = await new Promise<number | null>((done) => child.once("close", done));
  for (const line of output.trimEnd().split("\n")) say(line);
  if (exitCode !== expected) throw new Error(`drover ${args[0]} ended with ${exitCode}`);
}

interface Load {
  readonly milliseconds: number;
  /** The latency of each answered request. */
  readonly latenciesMs: readonly number[];
  readonly retries: number;
  readonly lost: number;
  readonly byReplica: ReadonlyMap<string, number>;
  readonly answers: readonly { readonly sentence: string; readonly label: string; readonly score: number }[];
}

/**
 * Classifies sentences from many clients at once, until `more` returns false. Each sends its next
 * request after the answer.
 */
async function classify(
  channel: Channel,
  sentences: readonly string[],
  more: (sent: number) => boolean,
  { deployment = "sentiment", method = "classify", inFlight = clients } = {},
): Promise<Load> {
  const invoke = channel.client(InvokeService);
  const load = {
    latenciesMs: [] as number[],
    retries: 0,
    lost: 0,
    byReplica: new Map<string, number>(),
    answers: [] as { sentence: string; label: string; score: number }[],
  };
  let sent = 0;
  const client = async () => {
    while (more(sent)) {
      const sentence = sentences[sent++ % sentences.length] ?? "";
      const began = performance.now();
      let replica = "";
      for (let tries = 0; ; tries++) {
        try {
          const request = {
            deployment,
            method,
            input: { case: "json" as const, value: fromJson(ValueSchema, { text: sentence }) },
          };
          const { output } = await invoke.invoke(request, {
            deadlineMs: 10_000,
            onHeaders: (headers) => (replica = String(headers.get("drover-replica")[0] ?? "")),
          });
          if (output.case === "json")
            load.answers.push({ sentence, ...(toJson(ValueSchema, output.value) as { label: string; score: number }) });
          load.latenciesMs.push(performance.now() - began);
          load.byReplica.set(replica, (load.byReplica.get(replica) ?? 0) + 1);
          break;
        } catch (error) {
          // Classifying twice does no harm, so a client may retry a lost request.
          if (error instanceof StatusError && error.code === "UNAVAILABLE" && tries < 5) load.retries++;
          else {
            if (load.lost++ < 3) say(`lost: ${error instanceof Error ? error.message : String(error)}`);
            break;
          }
        }
      }
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: inFlight }, client));
  return { ...load, milliseconds: performance.now() - began };
}

function showLoad({ latenciesMs, milliseconds, byReplica }: Load): void {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
  say(
    `${count(sorted.length)} requests, ${count(Math.round((sorted.length / milliseconds) * 1_000))} requests/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  );
  for (const [replica, served] of [...byReplica].sort()) say(`${replica.padEnd(20)} ${count(served).padStart(8)}`);
}

/** Fails if a request was lost, even if its retry succeeded. */
function showLost({ latenciesMs, retries, lost }: Load): void {
  say(`${count(latenciesMs.length)} answered, ${count(retries)} retried by their client, ${count(lost)} lost`);
  if (retries > 0 || lost > 0) throw new Error("requests failed");
}

async function waitFor(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > startMaxMs) throw new Error(`gave up waiting: ${what}`);
    await pause(20);
  }
}

async function main(): Promise<void> {
  const began = performance.now();
  const text = readFileSync(values.file, "utf8");
  const dataDir = mkdtempSync(join(tmpdir(), "drover-demo-"));
  const readyFile = join(dataDir, "ready.json");
  let controller: ChildProcess | undefined;
  try {
    title("Drover starts: controller, gateway and a private Redis, on free ports");
    const any = "127.0.0.1:0";
    controller = spawn(
      process.execPath,
      [
        join(root, "dist/src/main.js"),
        "start",
        "--api",
        any,
        "--gateway",
        any,
        "--http",
        any,
        "--data",
        dataDir,
        "--ready-file",
        readyFile,
        "--log-level",
        "error",
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    await waitFor("Drover to start", () => existsSync(readyFile) || controller?.exitCode !== null);
    if (controller.exitCode !== null) throw new Error("Drover did not start");
    const addresses = JSON.parse(readFileSync(readyFile, "utf8")) as { api: string; gateway: string };
    process.env.DROVER_API = addresses.api;
    process.env.DROVER_GATEWAY = addresses.gateway;
    say(`controller ${addresses.api}, gateway ${addresses.gateway}, after ${((performance.now() - began) / 1_000).toFixed(1)} s`);

    title("Two replicas of a text classifier (wink-nlp), options in its code");
    const program = join(root, "examples/sentiment/sentiment.ts");
    await drover(["run", program]);

    const sentences = sentencesOf(text);
    const channel = new Channel(addresses.gateway);
    title(`Every sentence of ${values.file.replace(`${root}/`, "")}, through the gateway, from ${clients} clients`);
    const first = await classify(channel, sentences, (sent) => sent < sentences.length);
    for (const label of ["positive", "neutral", "negative"])
      say(`${label.padEnd(9)} ${String(first.answers.filter((answer) => answer.label === label).length).padStart(4)}`);
    const [best] = first.answers.toSorted((a, b) => b.score - a.score);
    const [worst] = first.answers.toSorted((a, b) => a.score - b.score);
    for (const answer of [best, worst]) if (answer) say(`${answer.score.toFixed(2).padStart(5)}  ${answer.sentence.slice(0, 90)}`);
    showLoad(first);

    title("The same for three seconds");
    const until = (ms: number) => {
      const end = performance.now() + ms;
      return () => performance.now() < end;
    };
    showLoad(await classify(channel, sentences, until(3_000)));

    title("Four replicas");
    await drover(["scale", "sentiment", "4"]);
    showLoad(await classify(channel, sentences, until(3_000)));

    title("SIGKILL to one of them in the middle of the load");
    const api = new Channel(addresses.api);
    const controllerApi = api.client(ControllerService);
    const running = async () =>
      (await controllerApi.listReplicas({ deployment: "sentiment" })).replicas.filter(({ state }) => state === ReplicaState.RUNNING);
    const before = await running();
    const victim = before[0];
    if (victim === undefined) throw new Error("no replica runs");
    let back = false;
    const recovery = (async () => {
      await pause(700);
      process.kill(Number(victim.pid), "SIGKILL");
      const killedAt = performance.now();
      const known = new Set(before.map(({ replicaId }) => replicaId));
      await waitFor("a new replica", async () => {
        const now = await running();
        const fresh = now.find(({ replicaId }) => !known.has(replicaId));
        if (fresh === undefined || now.length < 4) return false;
        say(
          `killed ${victim.replicaId} (pid ${victim.pid}); ${fresh.replicaId} (pid ${fresh.pid}) took its place after ${((performance.now() - killedAt) / 1_000).toFixed(1)} s`,
        );
        return true;
      });
      back = true;
    })();
    const end = until(3_000);
    const kill = await classify(channel, sentences, () => end() || !back);
    await recovery;
    showLoad(kill);
    say(`${count(kill.latenciesMs.length)} answered, ${count(kill.retries)} retried by their client, ${count(kill.lost)} lost`);
    if (kill.lost > 0) throw new Error("requests were lost");
    await drover(["replicas", "sentiment"]);

    title("Another threshold for all four, in the middle of the load: no restart, no pause");
    const pids = async () =>
      (await running())
        .map(({ pid }) => pid)
        .sort()
        .join(" ");
    const pidsBefore = await pids();
    let reconfigured = false;
    const reconfiguring = drover(["reconfigure", "sentiment", '{"threshold": 0.9}']).finally(() => {
      reconfigured = true;
    });
    const change = await classify(channel, sentences, () => !reconfigured);
    await reconfiguring;
    showLost(change);
    if ((await pids()) !== pidsBefore) throw new Error("a replica was restarted");
    say(`the same processes as before: pid ${pidsBefore}`);

    title("The same for a class that is heavy to construct: its threshold goes from 0.01 to 0.99, and it is not constructed again");
    await drover(["run", join(root, "examples/threshold/threshold.ts")]);
    await drover(["invoke", "threshold", "classify", '{"value": 1.5}']);
    await drover(["reconfigure", "threshold", '{"threshold": 0.99}']);
    await drover(["invoke", "threshold", "classify", '{"value": 1.5}']);
    await drover(["delete", "threshold"]);

    title("A rolling update in the middle of the load: at most 20 % down, and 20 % extra");
    let updated = false;
    const updating = drover(["run", program, "--init-args", '{"language": "en"}', "--replicas", "4"]).finally(() => {
      updated = true;
    });
    const update = await classify(channel, sentences, () => !updated);
    await updating;
    showLost(update);

    title("A revision that does not start, in the middle of the load: it fails, and the old one stays");
    let failed = false;
    const failing = drover(["run", program, "--init-args", '{"language": "xx"}', "--replicas", "4"], 1).finally(() => {
      failed = true;
    });
    const bad = await classify(channel, sentences, () => !failed);
    await failing;
    showLost(bad);
    await drover(["revisions", "sentiment"]);

    title("Another program, with as many replicas as its load needs: none at first, then a wave of requests");
    await drover(["run", join(root, "examples/autoscaled/waiter.ts")]);
    let waving = true;
    const wave = (async () => {
      const lost: Load[] = [];
      for (const [inFlight, ms] of [
        [2, 3_000],
        [18, 6_000],
        [2, 7_000],
      ] as const)
        lost.push(await classify(channel, sentences, until(ms), { deployment: "waiter", method: "serve", inFlight }));
      waving = false;
      return lost;
    })();
    const bar = (count: number) => "#".repeat(count).padEnd(18);
    for (let second = 1; waving; second++) {
      await Promise.race([pause(1_000), wave]);
      const { deployment } = await controllerApi.getDeployment({ name: "waiter" });
      const { ongoingRequests = 0n, queuedRequests = 0n, targetReplicas = 0, runningReplicas = 0 } = deployment?.status ?? {};
      const requests = Number(ongoingRequests + queuedRequests);
      say(
        `${String(second).padStart(3)} s  ${String(requests).padStart(3)} requests  ${bar(requests)}  ${targetReplicas} wanted, ${runningReplicas} running`,
      );
    }
    for (const load of await wave) if (load.lost > 0 || load.retries > 0) throw new Error("requests failed");
    await drover(["explain", "waiter", "--limit", "2"]);

    title("The end: both deployments are deleted, everything stops");
    await drover(["delete", "sentiment", "waiter"]);
    channel.close();
    api.close();
    controller.kill("SIGTERM");
    const exitCode = await new Promise<number | null>((done) =>
      controller?.exitCode === null ? controller.once("exit", done) : done(controller?.exitCode ?? null),
    );
    if (exitCode !== 0) throw new Error(`the controller ended with ${exitCode}`);
    say(`done in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  } finally {
    // Not SIGKILL: replicas and Redis outlive a killed controller.
    if (controller?.exitCode === null) {
      controller.kill("SIGTERM");
      await new Promise((done) => controller?.once("exit", done));
    }
    rmSync(dataDir, { recursive: true, force: true });
  }
}

await main();
