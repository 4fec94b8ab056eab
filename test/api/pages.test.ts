import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ControllerService, ListDeploymentsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { pageBytesMax, pageOf } from "../../src/api/pages.ts";
import { decode, encode, pathOf } from "../../src/rpc/codec.ts";
import { type OpenedApi, openApi, specOf } from "./opened-api.ts";

const configBytes = 900_000;
const largeConfig = (mark: number) => ({ kind: { case: "stringValue" as const, value: String(mark).repeat(configBytes) } });
const large = (name: string, version: number) => specOf(name, { version: `${version}`, userConfig: largeConfig(version) });

let opened: OpenedApi;
let client: Client;
beforeAll(async () => {
  opened = await openApi();
  client = new Client(opened.address, credentials.createInsecure());
  for (let version = 1; version <= 5; version++) await opened.controller.deploy({ spec: large("many-revisions", version) });
  for (let mark = 1; mark <= 4; mark++) await opened.controller.deploy({ spec: large(`large-${mark}`, mark) });
});
afterAll(async () => {
  client.close();
  await opened.close();
});

/** The pages of a list, as bytes that a client with the defaults of gRPC reads. */
async function pagesOf<M extends (typeof ControllerService.method)["listDeployments" | "listRevisions" | "listConfigs"]>(
  method: M,
  request: { readonly name?: string },
) {
  const pages: { readonly bytes: number; readonly message: Record<string, unknown> }[] = [];
  let pageToken = "";
  do {
    const asked = encode(method.input, { ...request, pageToken } as never);
    const bytes = await new Promise<Buffer>((resolve, reject) => {
      const same = (one: Buffer) => one;
      client.makeUnaryRequest(pathOf(method), same, same, asked, (error, answer) =>
        error === null ? resolve(answer as Buffer) : reject(error),
      );
    });
    const message = decode(method.output as DescMessage, bytes) as unknown as { readonly nextPageToken: string };
    pages.push({ bytes: bytes.length, message: { ...message } });
    pageToken = message.nextPageToken;
  } while (pageToken !== "");
  return pages;
}

type Item = { readonly revision?: bigint; readonly configGeneration?: bigint; readonly spec?: { readonly name: string } };

test.each([
  ["listDeployments", {}, "deployments", ["large-1", "large-2", "large-3", "large-4", "many-revisions"]],
  ["listRevisions", { name: "many-revisions" }, "revisions", [5n, 4n, 3n, 2n, 1n]],
  ["listConfigs", { name: "many-revisions" }, "configs", [5n, 4n, 3n, 2n, 1n]],
] as const)("%s has all in order, in pages that every client can read", async (name, request, field, all) => {
  const pages = await pagesOf(ControllerService.method[name], request);
  expect(pages.length).toBeGreaterThan(1);
  expect(Math.max(...pages.map(({ bytes }) => bytes))).toBeLessThan(pageBytesMax + 1_024);
  const items = pages.flatMap(({ message }) => message[field] as readonly Item[]);
  expect(items.map(({ configGeneration, revision, spec }) => configGeneration ?? revision ?? spec?.name)).toEqual(all);
});

test("a page with more than one item is bounded by bytes, and between its items everything else goes on", async () => {
  const sizes = [pageBytesMax + 1, 1, pageBytesMax - 1_024, 1_025, 7, pageBytesMax / 2, pageBytesMax / 2];
  // Its time goes on by a second with each item, so each of them is due to wait.
  let seconds = 0;
  const turns: number[] = [];
  let turn = 0;
  const count = () => {
    turn += 1;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  const list = {
    items: Array.from(sizes.keys()),
    keyOf: (index: number) => `${index}`,
    answer: (index: number) => {
      turns.push(turn);
      return { deployments: [{ uid: "x".repeat(sizes[index] ?? 0), spec: { name: `${index}` } }] };
    },
  };
  const pages: string[][] = [];
  let pageToken = "";
  do {
    const clock = { nowMs: () => 1_000 * seconds++ };
    const { bytes } = await pageOf(ListDeploymentsResponseSchema, { pageSize: 0, pageToken }, list, clock);
    const page = fromBinary(ListDeploymentsResponseSchema, bytes);
    pages.push(page.deployments.map(({ spec }) => spec?.name ?? ""));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  clearImmediate(immediate);
  expect(pages).toEqual([["0"], ["1", "2"], ["3", "4", "5"], ["6"]]);
  expect(new Set(turns).size).toBeGreaterThan(sizes.length - pages.length);
});
