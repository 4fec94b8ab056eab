// A function deployment: one method, `call`, and its own name `echo`.
import { deployment } from "drover";

export default deployment(
  async function echo(input: unknown) {
    return { echo: input, pid: process.pid };
  },
  { version: "1", resources: { numCpus: 0.1 } },
);
