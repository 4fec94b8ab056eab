import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { destination } from "../../src/gateway/destination.ts";
import { isGrpc } from "../../src/rpc/grpc-server.ts";
import { joinAddress, splitAddress } from "../../src/rpc/socket-address.ts";
import { formatTimeout, parseTimeout } from "../../src/rpc/timeout.ts";

const serving: Readonly<Record<string, readonly string[]>> = { "acme.One": ["one"], "acme.Two": ["b", "a"] };
const routes = { serving: (service: string) => serving[service] ?? [] };
const reason = (path: string, deployment?: string) => {
  const to = destination(path, deployment, routes);
  return to.kind === "refused" ? `${to.error.code} ${to.error.reason}` : to.kind;
};

describe("destination", () => {
  test("a service of one deployment goes there", () => {
    expect(destination("/acme.One/Do", undefined, routes)).toEqual({ kind: "deployment", deployment: "one" });
  });

  test("a named deployment is taken, whatever serves", () => {
    expect(destination("/acme.Two/Do", "b", routes)).toEqual({ kind: "deployment", deployment: "b" });
    expect(destination("/acme.None/Do", "b", routes)).toEqual({ kind: "deployment", deployment: "b" });
  });

  test("a service of several is refused, naming them; one of none too", () => {
    const to = destination("/acme.Two/Do", undefined, routes);
    expect(reason("/acme.Two/Do")).toBe("INVALID_ARGUMENT AMBIGUOUS_SERVICE");
    expect(to.kind === "refused" && to.error.message).toContain("(a, b)");
    expect(reason("/acme.None/Do")).toBe("NOT_FOUND SERVICE_NOT_FOUND");
  });

  test("invokes go where their message says", () => {
    expect(destination("/drover.v1.InvokeService/Invoke", "x", routes)).toEqual({ kind: "invoke" });
    expect(destination("/drover.v1.InvokeService/InvokeServerStream", undefined, routes)).toEqual({ kind: "invoke" });
    expect(reason("/drover.v1.InvokeService/Other")).toBe("NOT_FOUND METHOD_NOT_FOUND");
  });

  test("control of replicas does not pass the gateway, not even with a deployment named", () => {
    for (const deployment of [undefined, "one"]) {
      expect(reason("/drover.replica.v1.ReplicaService/Drain", deployment)).toBe("NOT_FOUND SERVICE_NOT_FOUND");
      expect(reason("/drover.v1.ControllerService/Deploy", deployment)).toBe("NOT_FOUND SERVICE_NOT_FOUND");
    }
  });

  test("health and reflection are the gateway's own, unless a deployment is named", () => {
    expect(reason("/grpc.health.v1.Health/Check")).toBe("own");
    expect(reason("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")).toBe("own");
    expect(reason("/grpc.health.v1.Health/Check", "one")).toBe("deployment");
  });

  test("other services in packages of gRPC are found by their name", () => {
    for (const service of ["grpc.testing.TestService", "grpc.channelz.v1.Channelz", "grpc.health.v1.HealthHistory"]) {
      expect(destination(`/${service}/Do`, undefined, { serving: () => ["one"] })).toEqual({ kind: "deployment", deployment: "one" });
    }
  });

  test.each(["/", "", "/a", "/a/b/c", "a/b", "//b", "/a/"])("%j is no method's path", (path) => {
    expect(reason(path)).toBe("NOT_FOUND METHOD_NOT_FOUND");
  });
});

describe("small print", () => {
  test("only gRPC over HTTP/2 is gRPC", () => {
    for (const type of ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"]) expect(isGrpc(type)).toBe(true);
    for (const type of [undefined, "", "application/json", "application/grpc-web", "application/grpcx"]) expect(isGrpc(type)).toBe(false);
  });

  test("a timeout is written as it is read, never shorter and never nothing", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 53 }), (ms) => {
        const read = parseTimeout(formatTimeout(ms));
        expect(formatTimeout(ms)).toMatch(/^\d{1,8}[HSm]$/);
        expect(read).toBeGreaterThanOrEqual(Math.min(ms, 99_999_999 * 3_600_000));
        if (ms < 100_000_000) expect(read).toBe(ms);
      }),
    );
    expect(formatTimeout(-5)).toBe("1m");
  });

  test("a timeout is read in every unit; anything else is not one", () => {
    expect(["2H", "2M", "2S", "2m", "2000u", "2000000n"].map(parseTimeout)).toEqual([7_200_000, 120_000, 2_000, 2, 2, 2]);
    for (const text of ["", "5", "m", "-1S", "1.5S", "123456789S", "1s", "1 S"]) expect(parseTimeout(text)).toBeNaN();
    expect(parseTimeout(undefined)).toBeUndefined();
  });

  test("addresses are read as they are written", () => {
    for (const text of ["127.0.0.1:0", "[::1]:9000", "unix:/run/x.sock", "localhost:65535"])
      expect(joinAddress(splitAddress(text))).toBe(text);
    for (const text of ["", "host", "host:", ":1", "host:65536", "::1:9000"]) expect(() => splitAddress(text)).toThrow(RangeError);
  });
});
