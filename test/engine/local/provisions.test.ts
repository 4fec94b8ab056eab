import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Requirements } from "../../../src/core/deployment.ts";
import type { Environments } from "../../../src/engine/local/environments.ts";
import { Provisions } from "../../../src/engine/local/provisions.ts";
import type { UnpackedBundles } from "../../../src/engine/local/unpacked-bundles.ts";

test("a start reads no lockfile that an earlier start has read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drover-provisions-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "requirements.txt"), "six==1.17.0\n");
  let reads = 0;
  const bundles = {
    find: async () => folder,
    giveBack: () => {},
    filesOf: async () => {
      reads += 1;
      return [{ path: "requirements.txt", executable: false, sizeBytes: 12, sha256: "a".repeat(64) }];
    },
  };
  const identities: string[] = [];
  const environments = {
    find: async ({ identity }: { readonly identity: string }) => {
      identities.push(identity);
      return "/environments/one";
    },
  };
  const provisions = new Provisions(bundles as unknown as UnpackedBundles, environments as unknown as Environments);
  const required = (bundle: string): Requirements => ({ npm: [], pip: [], lockfile: "requirements.txt", bundle });
  for (const bundle of ["sha256:1", "sha256:1", "sha256:2"]) {
    expect(await provisions.find(required(bundle))).toEqual({ bundle, folder, environment: "/environments/one" });
  }
  expect(reads).toBe(2);
  expect(new Set(identities).size).toBe(1);
});
