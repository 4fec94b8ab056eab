// Loaded into a process before its program (`--import`). At SIGUSR2 it writes two figures since the
// last time into the file BENCH_LOOP_DELAY, in milliseconds: the longest delay of the event loop,
// and the most CPU time of the main thread between two turns of it. The second does not grow with
// what else the machine does.
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const file = process.env.BENCH_LOOP_DELAY;
// Replicas that the process starts have the variable, and must not write the file.
delete process.env.BENCH_LOOP_DELAY;
if (file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let [last, cpuMs, asked] = [cpuNow(), 0, 0];
  setInterval(() => {
    const now = cpuNow();
    cpuMs = Math.max(cpuMs, now - last);
    last = now;
  }, 1).unref();
  process.on("SIGUSR2", () => {
    asked += 1;
    writeFileSync(file, `${asked} ${delay.max / 1e6} ${cpuMs}`);
    delay.reset();
    cpuMs = 0;
  });
}

function cpuNow() {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
