// A program with its own gRPC service, generated from proto/greeter/v1/greeter.proto.
import { deployment, implement, StatusError } from "drover";
import { GreeterService } from "./gen/greeter/v1/greeter_pb.ts";

class Greeter {
  readonly word: string;

  constructor({ word = "Hello" }: { word?: string }) {
    this.word = word;
  }

  greet(name: string): string {
    if (name === "") throw new StatusError("INVALID_ARGUMENT", "name: tell me whom to greet");
    return `${this.word}, ${name}!`;
  }
}

export default deployment(Greeter, {
  name: "greeter",
  version: "1",
  resources: { numCpus: 0.1 },
  services: (greeter: Greeter) => [
    implement(GreeterService, {
      greet: ({ name }) => ({ greeting: greeter.greet(name) }),
      async *greetRepeatedly({ name, times }) {
        for (let time = 1; time <= times; time++) yield { greeting: `${greeter.greet(name)} (${time})` };
      },
    }),
  ],
});
