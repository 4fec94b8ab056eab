// Compiles src/ and gen/ into dist/ and puts the Lua scripts beside their callers. What a program loads (the host, "drover" and
// "drover/client") is bundled too, with shared parts shared: one file reads in half the time of 170. Built aside and moved into place, so that
// whoever runs from dist/ meets it half-made for a moment only.
import { spawnSync } from "node:child_process";
import { cpSync, renameSync, rmSync } from "node:fs";
import { rolldown } from "rolldown";

const aside = `dist.${process.pid}.new`;
try {
  const { status } = spawnSync("tsc", ["-p", "tsconfig.json", "--outDir", aside], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  cpSync("src", `${aside}/src`, { recursive: true, filter: (path) => !/\.\w+$/.test(path) || path.endsWith(".lua") });
  const entry = (path) => `${aside}/src/${path}.js`;
  const bundle = await rolldown({
    input: {
      host: entry("replica/host"),
      index: entry("replica/index"),
      client: entry("client/index"),
      npm: entry("replica/npm-environment"),
    },
    platform: "node",
    logLevel: "warn",
  });
  await bundle.write({ dir: `${aside}/bundle`, format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" });
  await bundle.close();
  rmSync("dist", { recursive: true, force: true });
  renameSync(aside, "dist");
} finally {
  rmSync(aside, { recursive: true, force: true });
}
