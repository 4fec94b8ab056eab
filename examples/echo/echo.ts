// A deployment of a function. Its method is called `call`, and also `echo`, by its own name.
import { deployment } from "drover";

export default deployment(
  async function echo(input: unknown) {
    return { echo: input, pid: process.pid };
  },
  { version: "1", resources: { numCpus: 0.1 } },
);
