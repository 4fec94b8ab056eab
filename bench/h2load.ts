import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cpuMsOfEnded } from "./process-facts.ts";

const execute = promisify(execFile);
const outputBytesMax = 1024 * 1024;

/** A gRPC call to repeat. */
export interface Call {
  /** `unix:/path` or `host:port`. */
  readonly address: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly message: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** A POST by HTTP/1.1 to repeat, of a text. */
export interface TextPost {
  /** `host:port`. */
  readonly address: string;
  readonly path: string;
  readonly text: string;
}

export interface Load {
  readonly requests: number;
  readonly seconds: number;
  /** Of each request. */
  readonly latenciesMs: readonly number[];
  /** CPU time of h2load itself. */
  readonly cpuMs: number;
}

/** What is missing and how to get it; empty: nothing. */
export function h2loadMissing(): string {
  try {
    execFileSync("h2load", ["--version"], { stdio: "ignore" });
    return "";
  } catch {
    return "h2load is not on PATH. It comes with nghttp2 (Debian: apt-get install nghttp2-client; Homebrew: brew install nghttp2).";
  }
}

/**
 * Makes the call `requests` times, `inFlight` at a time: over one connection, a post over as many
 * as are in flight. Fails unless each was answered with HTTP 200. Does not check the gRPC status.
 */
export async function load(call: Call | TextPost, requests: number, inFlight: number): Promise<Load> {
  const folder = mkdtempSync(join(tmpdir(), "drover-bench-"));
  try {
    const [body, log] = [join(folder, "request"), join(folder, "log")];
    writeFileSync(body, "text" in call ? call.text : frame(call.message));
    const base = call.address.startsWith("unix:") ? call.address : `http://${call.address}`;
    const headers =
      "text" in call ? { "content-type": "text/plain" } : { "content-type": "application/grpc", te: "trailers", ...call.headers };
    const args = [
      ...("text" in call ? ["--h1", "-c", String(inFlight), "-m", "1"] : ["-c", "1", "-m", String(inFlight)]),
      ...["-n", String(requests), "-d", body, "--log-file", log, "-B", base],
      ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
      `http://drover${call.path}`,
    ];
    const cpuBeforeMs = cpuMsOfEnded();
    const { stdout } = await execute("h2load", args, { maxBuffer: outputBytesMax });
    const cpuMs = cpuMsOfEnded() - cpuBeforeMs;
    if (!stdout.includes(`${requests} succeeded, 0 failed, 0 errored, 0 timeout`)) throw new Error(`requests failed:\n${stdout}`);
    return { requests, cpuMs, ...timesOf(readFileSync(log, "utf8")) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A gRPC frame: an uncompressed message after its length. */
function frame(message: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

/**
 * Reads h2load's log. Each line has the start in microseconds since 1970, the HTTP status, and the
 * microseconds until the end.
 */
function timesOf(log: string): { readonly seconds: number; readonly latenciesMs: readonly number[] } {
  const lines = log.trimEnd().split("\n");
  const latenciesMs: number[] = [];
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const line of lines) {
    const [start = 0, , duration = 0] = line.split("\t").map(Number);
    latenciesMs.push(duration / 1_000);
    first = Math.min(first, start);
    last = Math.max(last, start + duration);
  }
  return { seconds: (last - first) / 1_000_000, latenciesMs };
}
