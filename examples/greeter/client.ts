// A typed client of the greeter, through the gateway. The gateway finds the deployment that serves
// the called service.
//   node examples/greeter/client.ts 127.0.0.1:9000 Ada
import { Channel } from "drover/client";
import { GreeterService } from "./gen/greeter/v1/greeter_pb.ts";

const [gateway = "127.0.0.1:9000", name = "Ada"] = process.argv.slice(2);
const channel = new Channel(gateway);
const greeter = channel.client(GreeterService);
console.log((await greeter.greet({ name })).greeting);
for await (const { greeting } of greeter.greetRepeatedly({ name, times: 3 })) console.log(greeting);
channel.close();
