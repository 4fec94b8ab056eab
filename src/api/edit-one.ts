import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import type { DeploymentRecord } from "../core/deployment.ts";
import { editIfFree } from "./commit-in-turn.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Edit } from "./edits.ts";
import { type Expectations, expectSame } from "./expectations.ts";
import { once, type WriteCall, type WriteWork } from "./once.ts";
import { notFound } from "./refusals.ts";

/** An edit of a deployment that exists. */
export interface OneEdit<O extends DescMessage> extends Pick<WriteWork<O>, "finish"> {
  readonly edit: (before: DeploymentRecord, author: string) => Edit;
  /** Called with the record as it is written. */
  readonly answer: (after: DeploymentRecord) => MessageInitShape<O>;
}

/**
 * Edits the deployment that a request names. Fails with DEPLOYMENT_NOT_FOUND, DEPLOYMENT_DELETING,
 * CHANGE_IN_PROGRESS, and with CONFLICT if it is not the deployment that the request expects.
 */
export function editOne<I extends DescMessage, O extends DescMessage>(
  parts: ControllerParts,
  call: WriteCall<I, O> & { readonly request: Expectations & { readonly name: string } },
  { edit, answer, finish }: OneEdit<O>,
): Promise<MessageInitShape<O>> {
  const { request } = call;
  return once(parts, call, {
    plan: ({ author }) => ({
      author,
      names: async () => {
        await parts.mirror.catchUp();
        return [request.name];
      },
      edit: (before, name) => {
        if (before === undefined) return notFound(name);
        expectSame(name, before, request);
        return editIfFree(before, (record) => edit(record, author));
      },
    }),
    answer: ([made]) => {
      if (made?.after === undefined) throw new Error("an edit of a deployment leaves one");
      return answer(made.after);
    },
    ...(finish && { finish }),
  });
}
