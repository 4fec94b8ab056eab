// A process that starts a private redis-server, says its pid, and waits to be killed: node controller-stand-in.ts DATA_DIR SOCKET_PATH
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { startPrivateRedis } from "../../src/store/private-redis.ts";

const [, , dataDir = "", socketPath = ""] = process.argv;
const server = await startPrivateRedis({ dataDir, socketPath, clock: realClock, log: silentLog });
console.log(server.pid);
process.stdin.resume();
