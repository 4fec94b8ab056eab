import type { Redis } from "ioredis";
import { digestsIn, keptBytes, type Parts, split } from "./contents.ts";
import { evaluate, scripts } from "./scripts.ts";
import type { FillResult, Kind, StoreContent } from "./store.ts";

/** How long staged values stay if their writer ends before it has filled the store. */
const stagedMs = 60_000;
/** Characters that are staged with one command. */
const batchChars = 1 << 20;

/** The keys that a state has in Redis. */
export interface FillKeys {
  /** `fills` counts the attempts, so that two of them never stage under the same keys. */
  of(name: "position" | "lease" | "epoch" | "changes" | "contents" | "holds" | "bytes" | "answers" | "fills"): string;
  readonly objects: readonly { readonly kind: Kind; readonly objects: string; readonly index: string }[];
  request(id: string): string;
}

export interface FillOptions {
  readonly redis: Redis;
  readonly keys: FillKeys;
  readonly content: StoreContent;
  readonly lease: { readonly holder: string; readonly ttlMs: number } | undefined;
  readonly nowMs: number;
}

/**
 * Fills an empty Redis. The objects and their contents are first written under other keys, in small
 * commands, so that neither Redis nor this process stands still. One script then renames them, if
 * the Redis is still empty.
 */
export async function fillRedis({ redis, keys, content, lease, nowMs }: FillOptions): Promise<FillResult> {
  const attempt = await redis.incr(keys.of("fills"));
  const staged = (key: string) => `${key}:fill-${attempt}`;
  const keysOf = new Map(keys.objects.map(({ kind, objects, index }) => [kind, [staged(objects), staged(index)] as const]));
  const [contents, holds] = [staged(keys.of("contents")), staged(keys.of("holds"))];
  const counts = new Map<string, number>();
  const bytes = new Map<string, number>();
  let pipeline = redis.pipeline();
  let chars = 0;
  const flush = async () => {
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
    [pipeline, chars] = [redis.pipeline(), 0];
  };
  const put = (key: string, field: string, text: string) => {
    pipeline.hset(key, field, text).pexpire(key, stagedMs);
    chars += text.length;
  };
  const keep = (holder: "o" | "a", parts: Parts) => {
    for (const digest of digestsIn(parts.references)) counts.set(holder + digest, (counts.get(holder + digest) ?? 0) + 1);
    for (const { digest, value } of parts.contents) {
      if (bytes.has(digest)) continue;
      const json = JSON.stringify(value);
      bytes.set(digest, Buffer.byteLength(json));
      put(contents, digest, json);
    }
  };
  for (const { kind, entry } of content.entries) {
    const parts = split(entry.value);
    const [objects = "", index = ""] = keysOf.get(kind) ?? [];
    put(objects, entry.key, [entry.version, ...(parts.references === "" ? [] : [parts.references]), parts.json].join(" "));
    pipeline.zadd(index, 0, entry.key).pexpire(index, stagedMs);
    keep("o", parts);
    if (chars >= batchChars) await flush();
  }
  const requests = [...content.requests]
    .filter(({ expiresAtMs }) => expiresAtMs > nowMs)
    .map((request) => ({ ...request, parts: split(request.answer), ttlMs: Math.ceil(request.expiresAtMs - nowMs) }));
  for (const { parts } of requests) {
    keep("a", parts);
    if (chars >= batchChars) await flush();
  }
  for (const [digest, count] of counts) put(holds, digest, String(count));
  await flush();
  // As `commit.lua` counts: an answer, and the contents that no object holds.
  const ownBytes = [...bytes].reduce((sum, [digest, one]) => sum + (counts.has(`o${digest}`) ? 0 : one), 0);
  const answersBytes = requests.reduce((sum, { id, parts }) => sum + keptBytes(id, parts), ownBytes);
  const renamed = [
    [contents, keys.of("contents")],
    [holds, keys.of("holds")],
    ...keys.objects.flatMap(({ objects, index }) => [
      [staged(objects), objects],
      [staged(index), index],
    ]),
  ];
  const fixed = (["position", "lease", "epoch", "changes", "bytes", "answers"] as const).map((name) => keys.of(name));
  const answer = (await evaluate(
    redis,
    scripts.fill,
    [...fixed, ...renamed.flat(), ...requests.map(({ id }) => keys.request(id))],
    [
      ...[content.position, content.epoch, lease?.holder ?? "", lease?.ttlMs ?? 0, answersBytes, renamed.length],
      ...requests.flatMap(({ id, fingerprint, parts, ttlMs }) => [
        ...[fingerprint, parts.json, parts.references, ttlMs],
        `${id} ${keptBytes(id, parts)} ${parts.references}`,
      ]),
    ],
  )) as ["filled" | "kept", number];
  return answer[0] === "filled" ? { kind: "filled", epoch: answer[1] } : { kind: "kept" };
}
