import { ReconfigureFailureSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { refusal, StatusError } from "../../src/core/errors.ts";
import { packDetail } from "../../src/rpc/error-detail.ts";
import { type CallContext, type CallOptions, type Client, implement } from "../../src/rpc/service.ts";
import { WireService } from "./gen/test/v1/wire_pb.ts";
import { aborted, each } from "./harness.ts";

/** The failure that `fail` answers: one of each fact. */
export const richFailure = refusal("QUEUE_FULL", "quite full: ünïcode\nand a second line", {
  violations: [{ field: "a.b[0]", description: "is wrong" }],
  retryAfterMs: 1500,
  metadata: { deployment: "sentiment" },
  details: [packDetail(ReconfigureFailureSchema, { replicas: [{ replicaId: "a-1" }], replicasLeftOut: 7 })],
});

/** The wire service; what it does is said by the text it gets. */
export function wireService() {
  const entered = Promise.withResolvers<CallContext>();
  const left = Promise.withResolvers<unknown>();
  const release = Promise.withResolvers<void>();
  const behave = async (text: string, context: CallContext): Promise<string> => {
    switch (text) {
      case "metadata":
        context.responseHeaders.set("x-header", "h");
        context.responseTrailers.set("x-trailer", "t");
        return String(context.metadata.get("x-sent")[0]);
      case "deadline":
        return String(context.deadlineMs);
      case "fail":
        context.responseTrailers.set("x-trailer", "t");
        throw richFailure;
      case "foreign":
        throw new StatusError("DATA_LOSS", "of a program");
      case "bug":
        throw new Error("a secret");
      case "park": {
        entered.resolve(context);
        await aborted(context.signal);
        left.resolve(context.signal.reason);
        return "too late";
      }
      case "wait":
        entered.resolve(context);
        await release.promise;
        return "done";
      default:
        return text;
    }
  };
  const implementation = implement(WireService, {
    unary: async ({ text }, context) => ({ text: await behave(text, context) }),
    async *serverStream({ text, count }, context) {
      for (let i = 0; i < count; i++) yield { text: await behave(text, context) };
    },
    clientStream: async (requests, context) => {
      const texts: string[] = [];
      for await (const { text } of requests) {
        texts.push(await behave(text, context));
        if (text === "enough") break;
      }
      return { text: texts.join(",") };
    },
    async *bidiStream(requests, context) {
      for await (const { text } of requests) {
        yield { text: await behave(text, context) };
        if (text === "enough") return;
      }
    },
  });
  return { implementation, entered: entered.promise, left: left.promise, release: release.resolve };
}

type Call = (client: Client<typeof WireService>, text: string, options?: CallOptions) => AsyncIterable<string>;

/** Each call kind, called with one text; the texts it answers. */
export const kinds: Readonly<Record<"unary" | "server stream" | "client stream" | "bidi stream", Call>> = {
  unary: async function* (client, text, options) {
    yield (await client.unary({ text }, options)).text;
  },
  "server stream": async function* (client, text, options) {
    for await (const response of client.serverStream({ text, count: 1 }, options)) yield response.text;
  },
  "client stream": async function* (client, text, options) {
    yield (await client.clientStream(each({ text }), options)).text;
  },
  "bidi stream": async function* (client, text, options) {
    for await (const response of client.bidiStream(each({ text }), options)) yield response.text;
  },
};
