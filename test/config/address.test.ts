import { expect, test } from "vitest";
import { fromThisMachine, isLoopback, parseAddress, printAddress } from "../../src/config/address.ts";

test.each([
  ["127.0.0.1:9001", { host: "127.0.0.1", port: 9001 }],
  ["[::1]:9001", { host: "::1", port: 9001 }],
  [":9001", { host: "127.0.0.1", port: 9001 }],
  ["localhost:0", { host: "localhost", port: 0 }],
  ["drover.internal:65535", { host: "drover.internal", port: 65535 }],
])("%s is an address, and is printed so that it can be read again", (text, address) => {
  expect(parseAddress(text)).toEqual(address);
  expect(parseAddress(printAddress(address))).toEqual(address);
});

test.each([
  "",
  "9001",
  "localhost",
  "::1:9001",
  "[::1]",
  "[:1]:9",
  "[localhost]:9",
  "a:b",
  "http://a:1",
  "a:1/",
  "a b:1",
  "a:-1",
  "a:123456",
  "u@a:1",
])("%j is not an address", (text) => {
  expect(parseAddress(text)).toMatch(/^must be "host:port"/);
});

test("a port above 65535 is out of range", () => {
  expect(parseAddress("localhost:65536")).toBe("port 65536 is out of range: must be 0 to 65535");
});

test("only addresses that no other machine can reach are loopback", () => {
  for (const host of ["127.0.0.1", "127.255.0.9", "localhost", "LOCALHOST", "::1", "0:0:0:0:0:0:0:1"])
    expect(isLoopback(host), host).toBe(true);
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "fe80::1", "localhost.example.com", "127.0.0.1.example.com", ""])
    expect(isLoopback(host), host).toBe(false);
});

test("a server on all addresses is called on loopback from its machine, any other where it listens", () => {
  for (const [listening, called] of [
    ["0.0.0.0:9001", "127.0.0.1:9001"],
    ["[::]:9001", "[::1]:9001"],
    ["10.0.0.0:9001", "10.0.0.0:9001"],
    ["localhost:9001", "localhost:9001"],
  ] as const)
    expect(fromThisMachine(listening)).toBe(called);
});
