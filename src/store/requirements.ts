/** The oldest major version of Redis that has what the scripts use. */
const oldestMajor = 7;

/**
 * Why a server cannot be used, and which of its settings are dangerous. Sentences that say what to
 * do.
 */
export interface ServerFindings {
  readonly refusals: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Checks a server by its answer to INFO, which works even if CONFIG is denied (managed Redis). What
 * the answer does not contain is not checked.
 */
export function judgeServer(info: string): ServerFindings {
  const facts = parseInfo(info);
  const refusals: string[] = [];
  const warnings: string[] = [];

  const version = facts.get("redis_version") ?? "";
  if (!(Number.parseInt(version, 10) >= oldestMajor)) {
    refusals.push(
      `Redis ${version || "of unknown version"} is too old: Drover needs 7.0 or newer; point --redis at one, or leave --redis out.`,
    );
  }
  const policy = facts.get("maxmemory_policy");
  if (policy !== undefined && policy !== "noeviction") {
    refusals.push(
      `Redis evicts keys when its memory is full (maxmemory-policy ${policy}), which would lose deployments: run CONFIG SET maxmemory-policy noeviction, or point --redis at another.`,
    );
  }
  if (facts.get("role") === "slave" && facts.get("slave_read_only") !== "0") {
    const primary = `${facts.get("master_host")}:${facts.get("master_port")}`;
    refusals.push(`Redis is a read-only replica: point --redis at its primary (${primary}).`);
  }
  if (facts.get("aof_enabled") === "0") {
    warnings.push("Redis keeps no append-only file: acknowledged writes are lost when it ends; run CONFIG SET appendonly yes.");
  }
  return { refusals, warnings };
}

/** The `name:value` lines of INFO. */
export function parseInfo(info: string): ReadonlyMap<string, string> {
  const facts = new Map<string, string>();
  for (const line of info.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#")) facts.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return facts;
}
