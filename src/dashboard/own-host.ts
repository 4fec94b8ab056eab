import { isIP } from "node:net";

/** A request that is answered, or why it is not. */
export type HostVerdict = "own" | "several" | "foreign";

/**
 * Whether a request was meant for this server, by its `Host` lines. A web page of a foreign name can
 * make that name resolve to an address of this machine and read what the browser gets there (DNS
 * rebinding). `names` are the names that this server has besides `localhost`. An IP address is no
 * name, so it is always right; a request without `Host` comes from no browser.
 */
export function judgeHost(rawHeaders: readonly string[], names: readonly string[]): HostVerdict {
  const hosts = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === "host");
  const [host] = hosts;
  if (hosts.length > 1) return "several";
  if (host === undefined) return "own";
  const [, bracketed, plain = ""] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host.trim()) ?? [];
  if (isIP(bracketed ?? plain) !== 0) return "own";
  const name = plain.toLowerCase().replace(/\.$/, "");
  return name === "localhost" || names.some((own) => own.toLowerCase() === name) ? "own" : "foreign";
}
