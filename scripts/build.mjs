// Compiles src/ and gen/ into dist/ and puts the Lua scripts beside their callers.
import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.json"], { stdio: "inherit" });
cpSync("src", "dist/src", { recursive: true, filter: (path) => !/\.\w+$/.test(path) || path.endsWith(".lua") });
