// What the Python package runs before `drover start` and `drover demo`.
//   node scripts/ensure-redis.mjs [arguments of drover start]
import { redisStep } from "./redis.mjs";
import { orExit, runStep } from "./run-program.mjs";

const needsNone = (argument) => ["--redis", "--help", "-h"].includes(argument) || argument.startsWith("--redis=");

if (!process.argv.slice(2).some(needsNone)) orExit(() => runStep(redisStep));
