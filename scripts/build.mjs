// Compiles src/ and gen/ into dist/ and puts the Lua scripts beside their callers. Built aside and moved into place, so that
// whoever runs from dist/ meets it half-made for a moment only.
import { spawnSync } from "node:child_process";
import { cpSync, renameSync, rmSync } from "node:fs";

const aside = `dist.${process.pid}.new`;
try {
  const { status } = spawnSync("tsc", ["-p", "tsconfig.json", "--outDir", aside], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  cpSync("src", `${aside}/src`, { recursive: true, filter: (path) => !/\.\w+$/.test(path) || path.endsWith(".lua") });
  rmSync("dist", { recursive: true, force: true });
  renameSync(aside, "dist");
} finally {
  rmSync(aside, { recursive: true, force: true });
}
