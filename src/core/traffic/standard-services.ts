/**
 * Whether every replica and the gateway itself serve a gRPC service: health and reflection. A call
 * to it without a deployment's name goes to the gateway. Other services in packages of gRPC, such as
 * `grpc.channelz.v1.Channelz`, are a program's own.
 */
export function isStandardService(service: string): boolean {
  return service === "grpc.health.v1.Health" || service.startsWith("grpc.reflection.");
}

/** Whether a service that a replica serves is its program's: neither a standard service nor Drover's. */
export function isProgramService(service: string): boolean {
  return !isStandardService(service) && !service.startsWith("drover.");
}
