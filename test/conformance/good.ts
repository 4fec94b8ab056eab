// A program with everything that a replica can have.
import { deployment, implement, type RequestContext, StatusError } from "drover";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";

class Good {
  #threshold = 0;

  validateConfig({ threshold }: { threshold: unknown }): void {
    if (typeof threshold !== "number") throw new StatusError("INVALID_ARGUMENT", "threshold: must be a number");
  }

  reconfigure({ threshold }: { threshold: number }): void {
    this.#threshold = threshold;
  }

  tell() {
    return { threshold: this.#threshold };
  }

  /** Works for a while, as long as its caller stays. */
  async work(ms: number, context: RequestContext): Promise<string> {
    const { signal } = context;
    await new Promise<void>((done) => {
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        done();
      });
    });
    return "done";
  }

  async *count(to: number) {
    for (let number = 1; number <= to; number++) yield number;
  }
}

export default deployment(Good, {
  services: () => [
    implement(GreeterService, {
      greet: ({ name }) => ({ greeting: `Hello, ${name}!` }),
      async *greetRepeatedly({ name, times }) {
        for (let time = 1; time <= times; time++) yield { greeting: `Hello, ${name}! (${time})` };
      },
    }),
  ],
});
