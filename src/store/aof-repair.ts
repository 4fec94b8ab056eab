import { copyFile, readFile, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkAof } from "./redis-process.ts";

/**
 * A longer damaged tail is not cut without an operator. What a power cut leaves is as long as what
 * was written within the last seconds.
 */
const cutBytesMax = 16 << 20;

export interface AofDamage {
  /** The damaged file. */
  readonly file: string;
  readonly bytes: number;
  /** Up to here the file is sound. */
  readonly soundBytes: number;
}

export type AofRepair =
  /** The tail was cut. `copy` is the file as it was. */
  | { readonly kind: "cut"; readonly damage: AofDamage; readonly copy: string }
  /** More is damaged than the tail. Nothing was changed. */
  | { readonly kind: "beyondRepair"; readonly damage: AofDamage; readonly command: string };

/**
 * Finds damage in the append-only file of a server that does not start, and cuts a damaged tail, as
 * a power cut leaves it (zeros or other bytes). Undefined: the file is sound, or cannot be checked.
 */
export async function repairAof(binary: string, dataDir: string, nowMs: number): Promise<AofRepair | undefined> {
  const folder = join(dataDir, "appendonlydir");
  const manifest = join(folder, "appendonly.aof.manifest");
  const files = filesOf(await readFile(manifest, "utf8").catch(() => ""));
  if (files.length === 0) return undefined;
  const damage = damageIn(await checkAof(binary, manifest), folder);
  if (damage === undefined) return undefined;
  const isLast = damage.file === join(folder, files.at(-1) ?? "");
  if (!isLast || files.length === 1 || damage.bytes - damage.soundBytes > cutBytesMax) {
    const tool = binary.includes("/") ? join(dirname(binary), "redis-check-aof") : "redis-check-aof";
    return { kind: "beyondRepair", damage, command: `${tool} --fix ${manifest}` };
  }
  const copy = join(dataDir, `${files.at(-1)}.damaged-${new Date(nowMs).toISOString().replaceAll(":", "-")}`);
  await copyFile(damage.file, copy);
  await truncate(damage.file, damage.soundBytes);
  return { kind: "cut", damage, copy };
}

/** The names of the files, in the order in which they are read: the base, then what came after. */
function filesOf(manifest: string): readonly string[] {
  const lines = [...manifest.matchAll(/^file (\S+) seq \d+ type ([bi])/gm)];
  return [...lines.filter(([, , type]) => type === "b"), ...lines.filter(([, , type]) => type === "i")].map(([, name = ""]) => name);
}

function damageIn(output: string, folder: string): AofDamage | undefined {
  const analyzed = [...output.matchAll(/^AOF analyzed: filename=(.+), size=(\d+), ok_up_to=(\d+),.* diff=(\d+)$/gm)];
  const [, name, size, soundBytes] = analyzed.find(([, , , , diff]) => diff !== "0") ?? [];
  return name === undefined ? undefined : { file: join(folder, name), bytes: Number(size), soundBytes: Number(soundBytes) };
}
