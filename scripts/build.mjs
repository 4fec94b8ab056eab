// Compiles src/ and gen/ into dist/ and puts the Lua scripts beside their callers.
import { spawnSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
const { status } = spawnSync("tsc", ["-p", "tsconfig.json"], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
cpSync("src", "dist/src", { recursive: true, filter: (path) => !/\.\w+$/.test(path) || path.endsWith(".lua") });
