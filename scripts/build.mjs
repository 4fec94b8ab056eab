// Compiles src/ and gen/ into dist/ and copies the Lua scripts next to their callers. Also bundles
// the modules that a program loads (the host, "drover" and "drover/client"), with shared chunks:
// one file loads in half the time of 170. The new dist/ is built in another folder and then moved,
// so that dist/ is incomplete only for a moment.
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
      describe: entry("replica/describe"),
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
