import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type WatchDeploymentsRequestSchema,
  type WatchDeploymentsResponse,
  WatchDeploymentsResponseSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { type DeploymentEvent, encodedEvent } from "../../src/api/deployment-event.ts";
import { DeploymentFeed, eventsBytesMax } from "../../src/api/deployment-feed.ts";
import { DeploymentView } from "../../src/api/deployment-view.ts";
import { ReaderTurns } from "../../src/api/reader-turns.ts";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import { firstRecord } from "../../src/core/generations.ts";
import type { Json } from "../../src/core/json.ts";
import { spec } from "../kit/records.ts";
import { type OpenedApi, openApi, specOf } from "./opened-api.ts";

const mebibyte = 2 ** 20;
let opened: OpenedApi;
beforeEach(async () => {
  opened = await openApi();
});
afterEach(() => opened.close());

const value = (text: string) => ({ kind: { case: "stringValue" as const, value: text } });
const large = (mark: string) => value(mark.repeat(900_000));
const textOf = ({ event }: WatchDeploymentsResponse) => {
  const kind = event.case === "deploymentUpdated" ? event.value.spec?.userConfig?.kind : undefined;
  return kind?.case === "stringValue" ? kind.value : "";
};

/** The events of a watch until one is enough. */
async function eventsUntil(
  request: MessageInitShape<typeof WatchDeploymentsRequestSchema>,
  isLast: (event: WatchDeploymentsResponse) => boolean,
  onEvent: (event: WatchDeploymentsResponse) => void = () => {},
): Promise<readonly WatchDeploymentsResponse[]> {
  const events: WatchDeploymentsResponse[] = [];
  for await (const event of opened.controller.watchDeployments(request)) {
    events.push(event);
    onEvent(event);
    if (isLast(event)) break;
  }
  return events;
}

const labelOf = ({ event }: WatchDeploymentsResponse) => (event.case === "deploymentUpdated" ? event.value.spec?.labels.n : undefined);

test("a watch has whole deployments with their configs: those that exist, each change, and those since a position", async () => {
  const { controller } = opened;
  await controller.deploy({ spec: specOf("a", { userConfig: value("first"), labels: { n: "1" } }) });
  const deployLater = async () => {
    await controller.deploy({ spec: specOf("a", { userConfig: value("first"), labels: { n: "2" } }) });
    await controller.deploy({ spec: specOf("a", { labels: { n: "3" }, version: "2" }) });
  };
  const events = await eventsUntil(
    {},
    (event) => labelOf(event) === "3",
    ({ event }) => void (event.case === "synced" && deployLater()),
  );
  expect(events.map((event) => [labelOf(event), textOf(event)])).toEqual([
    ["1", "first"],
    [undefined, ""],
    ["2", "first"],
    ["3", ""],
  ]);
  const { deployment } = await controller.getDeployment({ name: "a" });
  const last = events.at(-1)?.event;
  expect(last?.case === "deploymentUpdated" && last.value).toEqual(deployment);

  const { position } = events[1] ?? {};
  const resumed = await eventsUntil({ resumePosition: position ?? 0n }, ({ event }) => event.case === "synced");
  expect(resumed.map((event) => [labelOf(event), textOf(event), event.position !== undefined])).toEqual([
    ["2", "first", false],
    ["3", "", false],
    [undefined, "", true],
  ]);
});

test("a caller that does not read is dropped, and told to resume; one that reads gets everything", async () => {
  const { controller } = opened;
  await controller.deploy({ spec: specOf("a", { userConfig: large("x") }) });
  const slow = controller.watchDeployments({})[Symbol.asyncIterator]();
  await slow.next();
  const changes = 45;
  const fast = eventsUntil({}, (event) => labelOf(event) === String(changes));
  for (let n = 1; n <= changes; n++) await controller.deploy({ spec: specOf("a", { userConfig: large("x"), labels: { n: String(n) } }) });
  const labels = (await fast).flatMap((event) => labelOf(event) ?? []);
  expect(labels.slice(-changes)).toEqual(Array.from({ length: changes }, (_, i) => String(i + 1)));

  let position: bigint | undefined;
  const readRest = async () => {
    for (let next = await slow.next(); next.done !== true; next = await slow.next()) position = next.value.position ?? position;
  };
  await expect(readRest()).rejects.toMatchObject({ code: "ABORTED", reason: "WATCH_EXPIRED" });
  expect(position).toBeDefined();
  const rest = await eventsUntil({ resumePosition: position ?? 0n }, ({ event }) => event.case === "synced");
  expect(rest.flatMap((event) => labelOf(event) ?? []).at(-1)).toBe(String(changes));
});

test("a watch of some deployments is not slowed down by the others", async () => {
  const { controller } = opened;
  await controller.deploy({ spec: specOf("small") });
  const watch = controller.watchDeployments({ names: ["small"] })[Symbol.asyncIterator]();
  await watch.next();
  for (let n = 0; n < 40; n++) await controller.deploy({ spec: specOf("big", { userConfig: large("x"), labels: { n: String(n) } }) });
  await controller.deploy({ spec: specOf("small", { labels: { n: "1" } }) });
  const [synced, changed] = [(await watch.next()).value, (await watch.next()).value];
  expect(synced?.event.case).toBe("synced");
  expect(labelOf(changed as WatchDeploymentsResponse)).toBe("1");
  await watch.return?.();
});

// --- the feed by itself

/** A view that counts what it composes. */
class CountingView extends DeploymentView {
  composed = 0;

  override composing(record: DeploymentRecord) {
    const compose = super.composing(record);
    return (one: DeploymentRecord) => {
      this.composed += 1;
      return compose(one);
    };
  }
}

function openFeed() {
  const { mirror, store } = opened;
  const observed = { replica: () => undefined, deployment: () => ({ ongoing: 0, queued: 0 }), pid: () => 0 };
  const view = new CountingView({ mirror, observed, room: () => ({ kind: "engine" }) });
  const feed = new DeploymentFeed(mirror, view, new ReaderTurns());
  let version = 0;
  /** Writes a deployment with this config and label. */
  const write = async (userConfig: Json, label: string) => {
    const record = firstRecord({ ...spec, userConfig, labels: { label } }, "u", 1);
    const result = await store.commit([{ put: "deployment", key: "app", version, value: record }]);
    version = result.kind === "committed" ? (result.positions[0] ?? 0) : version;
    await mirror.catchUp();
  };
  return { feed, view, write };
}

const everything = { wants: () => true, drop: () => {} };

test("the deployments that a watch begins with are made one by one, of the state at its begin", async () => {
  const { feed, view, write } = openFeed();
  await opened.store.commit([{ put: "deployment", key: "aaa", version: 0, value: firstRecord({ ...spec, name: "aaa" }, "u", 1) }]);
  await write("before", "before");
  const present = feed.present(() => true)[Symbol.iterator]();
  const before = view.composed;
  const first = present.next();
  expect(view.composed).toBe(before + 1);
  await write("after", "after");
  const events = [first, present.next()].map(({ value }) => encodedEvent(value as DeploymentEvent, { position: false }).bytes);
  expect(events.map((bytes) => textOf(fromBinary(WatchDeploymentsResponseSchema, bytes)))).toEqual(["", "before"]);
  expect(present.next().done).toBe(true);
  const { backlog } = feed.watch(0, everything);
  expect(
    textOf(fromBinary(WatchDeploymentsResponseSchema, encodedEvent(backlog.at(-1) as DeploymentEvent, { position: true }).bytes)),
  ).toBe("after");
  feed.close();
});

test("the feed counts and keeps a config once, over a thousand changes of one label", async () => {
  const { feed, write } = openFeed();
  const userConfig = { weights: Array.from({ length: 900 }, () => "w".repeat(1_000)) };
  for (let n = 0; n < 1_000; n++) await write(userConfig, String(n));
  const { backlog } = feed.watch(0, everything);
  expect(backlog).toHaveLength(1_000);
  expect(new Set(backlog.map(({ config }) => config)).size).toBe(1);
  expect(feed.bytes).toBeLessThan(2 * mebibyte);
  expect(feed.bytes).toBeGreaterThan(900_000);
  feed.close();
});

test("the feed has a bound in bytes; a watch from a position that is no longer kept starts again", async () => {
  const { feed, write } = openFeed();
  for (let n = 0; n < 40; n++) await write({ text: String(n).repeat(500_000) }, String(n));
  expect(feed.bytes).toBeLessThanOrEqual(eventsBytesMax);
  expect(() => feed.watch(0, everything)).toThrow(expect.objectContaining({ reason: "WATCH_EXPIRED" }));
  expect(feed.watch(39, everything).backlog).toHaveLength(1);
  feed.close();
});

test("an event is made once, however many watch", async () => {
  const { feed, view, write } = openFeed();
  const watches = Array.from({ length: 1_000 }, () => feed.watch(0, everything));
  await write({}, "x");
  expect(view.composed).toBe(1);
  const events = await Promise.all(watches.map(({ queue }) => queue.events().next()));
  expect(new Set(events.map(({ value }) => value)).size).toBe(1);
  feed.close();
});
