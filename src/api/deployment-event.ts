import { toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { WatchDeploymentsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { type Deployment, DeploymentSchema, DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import type { Json } from "../core/json.ts";
import { Encoded, encode } from "../rpc/codec.ts";
import { jsonToValue } from "../rpc/json-value.ts";

/**
 * A change of one deployment as a `WatchDeploymentsResponse`, encoded once for all watches. Its
 * parts are put together when it is sent: in protobuf, bytes that follow each other are merged.
 */
export interface DeploymentEvent {
  readonly position: number;
  readonly name: string;
  /** The response without the config. */
  readonly bytes: Buffer;
  /** How many of the bytes come before the position. */
  readonly headBytes: number;
  /** The `user_config` in its place. All events with this config have the same bytes. */
  readonly config: Uint8Array | undefined;
}

/** `deployment` undefined: it is gone. `config`: as of {@link configBytes}. */
export function deploymentEvent(
  position: number,
  name: string,
  deployment: Deployment | undefined,
  config: Uint8Array | undefined,
): DeploymentEvent {
  const event =
    deployment === undefined
      ? ({ case: "deploymentDeleted", value: name } as const)
      : ({ case: "deploymentUpdated", value: deployment } as const);
  const head = encode(WatchDeploymentsResponseSchema, { event });
  const tail = encode(WatchDeploymentsResponseSchema, { position: BigInt(position) });
  return { position, name, bytes: Buffer.concat([head, tail]), headBytes: head.length, config };
}

/** A `user_config` as the part of a `WatchDeploymentsResponse` that holds nothing else. */
export function configBytes(userConfig: Json): Uint8Array {
  const value = toBinary(ValueSchema, jsonToValue(userConfig));
  const fields = [
    DeploymentSpecSchema.field.userConfig,
    DeploymentSchema.field.spec,
    WatchDeploymentsResponseSchema.field.deploymentUpdated,
  ];
  return fields.reduce<Uint8Array>(
    (inner, { number }) => new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(inner).finish(),
    value,
  );
}

export const bytesOfEvent = ({ bytes, config }: DeploymentEvent): number => bytes.length + (config?.length ?? 0);

/** The message to send, with its position or without. */
export function encodedEvent({ bytes, headBytes, config }: DeploymentEvent, has: { readonly position: boolean }): Encoded {
  const whole = has.position ? bytes : bytes.subarray(0, headBytes);
  return new Encoded(config === undefined ? whole : Buffer.concat([whole, config]));
}
