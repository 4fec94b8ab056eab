export { type Callee, type Code, type ErrorDetail, type ErrorFacts, type FieldViolation, StatusError } from "../core/errors.ts";
export { Channel } from "../rpc/channel.ts";
export { detailOf } from "../rpc/error-detail.ts";
export { Media } from "../rpc/media.ts";
export type { CallOptions, Client } from "../rpc/service.ts";
export { type ElementType, Tensor, type TypedArray } from "../rpc/tensor.ts";
export { type Connection, type ConnectOptions, connect, handle } from "./connection.ts";
export type { DeploymentClient, InvokeOptions } from "./deployment-client.ts";
export type { Handle, HandleCall, HandleMethod, HandleOptions } from "./handle-types.ts";
