// Specs with a bundle, over a store in memory and real gRPC.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Effect } from "../../gen/drover/v1/controller_service_pb.ts";
import { type OpenedApi, openApi } from "./opened-api.ts";
import { sendBundle } from "./sent-bundle.ts";

let opened: OpenedApi;
let bundle: string;

beforeEach(async () => {
  opened = await openApi();
  bundle = await sendBundle(opened.controller, {
    "src/app.ts": "1",
    "package-lock.json": "{}",
    "requirements-dev.txt": "",
    "vendor/@a/own@1.tgz": "a",
    "vendor/@b/own@1.tgz": "b",
    "vendor/own==1.whl": "c",
  });
});
afterEach(() => opened.close());

const controller = () => opened.controller;
const moduleAt = (path: string) => ({ kind: { case: "module" as const, value: { path } } });
const specOf = (runtimeEnv: object = {}, path = "src/app.ts", name = "a") => ({
  ...{ name, program: moduleAt(path), runtimeEnv: { bundle, ...runtimeEnv } },
});
const unknown = `sha256:${"0".repeat(64)}`;
const forgetBundles = () => rm(join(opened.bundlesFolder, "bundles"), { recursive: true });

test("a bundle that is not kept is refused by its field, and need not be there to validate", async () => {
  const spec = specOf({ bundle: unknown });
  const refused = { code: "NOT_FOUND", reason: "BUNDLE_NOT_FOUND", facts: { metadata: { bundle: unknown } } };
  await expect(controller().deploy({ spec })).rejects.toMatchObject({
    ...refused,
    facts: { violations: [{ field: "spec.runtime_env.bundle" }] },
  });
  const other = { ...specOf(), name: "b" };
  await expect(controller().apply({ specs: [other, spec] })).rejects.toMatchObject({
    ...refused,
    facts: { violations: [{ field: "specs[1].runtime_env.bundle" }] },
  });
  expect((await controller().listDeployments({})).deployments).toEqual([]);
  expect((await controller().deploy({ spec, validateOnly: true })).effect).toBe(Effect.ROLLOUT);
});

test("what a spec names in its bundle is accepted where it is there", async () => {
  const runtimeEnv = {
    workingDir: "src",
    lockfile: "package-lock.json",
    npm: ["zod@^4", "./vendor/@a/own@1.tgz", "./vendor/@b/own@1.tgz"],
    pip: ["./vendor/own==1.whl"],
  };
  const { deployment } = await controller().deploy({ spec: specOf(runtimeEnv) });
  expect(deployment?.spec?.runtimeEnv).toMatchObject({ bundle, ...runtimeEnv });
  const command = { kind: { case: "command" as const, value: { argv: ["node", "server.js"] } } };
  await controller().deploy({ spec: { name: "b", program: command, runtimeEnv: { bundle, lockfile: "requirements-dev.txt" } } });
});

const npmLock = (packages: object) => JSON.stringify({ lockfileVersion: 3, packages: { "": {}, ...packages } });
const uvLock = (source: string) =>
  `[[package]]\nname = "app"\nsource = { virtual = "." }\n[[package]]\nname = "x"\nsource = { ${source} }\n`;

test.each<[string, string, string | undefined]>([
  ["package-lock.json", npmLock({ "node_modules/a": { resolved: "file:../a-1.0.0.tgz" } }), "../a-1.0.0.tgz"],
  ["web/package-lock.json", npmLock({ "node_modules/a": { resolved: "file:../a-1.0.0.tgz" } }), undefined],
  ["web/package-lock.json", npmLock({ "node_modules/a": { resolved: "file:../%2e./a.tgz" } }), "../../a.tgz"],
  ["package-lock.json", npmLock({ "node_modules/a": { resolved: "../a", link: true }, "../a": {} }), "../a"],
  ["package-lock.json", npmLock({ "node_modules/a": { resolved: "a", link: true }, a: {} }), undefined],
  ["package-lock.json", npmLock({ "node_modules/drover": { resolved: "file:../drover-0.1.0.tgz" } }), undefined],
  ["package-lock.json", npmLock({ "node_modules/drover": { resolved: "../drover", link: true }, "../drover": {} }), undefined],
  ["uv.lock", uvLock('editable = "../x"'), "../x"],
  ["uv.lock", uvLock('editable = "x"'), undefined],
  ["pylock.toml", '[[packages]]\nname = "x"\n[packages.archive]\npath = "../x.zip"\n', "../x.zip"],
  ["requirements.txt", "six\n-e ../x", "../x"],
  ["requirements.txt", "-r ../base.txt", "../base.txt"],
  ["requirements.txt", "x[fast] @ ../x.whl", "../x.whl"],
  ["requirements.txt", "x @ https://example.org/../x.whl\n-e git+https://example.org/x.git\n./x", undefined],
  ["py/requirements.txt", "-r ../base.txt", undefined],
])("a lockfile that names what is outside of the bundle is refused by its name: %s %#", async (lockfile, text, outside) => {
  const sent = await sendBundle(controller(), { "src/app.ts": "1", [lockfile]: text });
  const deployed = controller().deploy({ spec: specOf({ bundle: sent, lockfile }) });
  if (outside === undefined) return expect((await deployed).effect).toBe(Effect.ROLLOUT);
  const violations = [{ field: "spec.runtime_env.lockfile", description: expect.stringContaining(JSON.stringify(outside)) }];
  await expect(deployed).rejects.toMatchObject({ code: "INVALID_ARGUMENT", facts: { violations } });
});

test.each<[string, object, string, string?]>([
  ["an absolute module", {}, "program.module.path", "/src/app.ts"],
  ["a module outside", {}, "program.module.path", "../app.ts"],
  ["a module in another form", {}, "program.module.path", "./src/app.ts"],
  ["a module that is not there", {}, "program.module.path", "src/App.ts"],
  ["a module that is a folder", {}, "program.module.path", "src"],
  ["an absolute folder", { workingDir: "/tmp" }, "runtime_env.working_dir"],
  ["a folder outside", { workingDir: "src/../.." }, "runtime_env.working_dir"],
  ["a folder that is not there", { workingDir: "sr" }, "runtime_env.working_dir"],
  ["a folder that is a file", { workingDir: "src/app.ts" }, "runtime_env.working_dir"],
  ["a lockfile that is not there", { lockfile: "src/package-lock.json" }, "runtime_env.lockfile"],
  ["a lockfile of another name", { lockfile: "src/app.ts" }, "runtime_env.lockfile"],
  ["a lockfile outside", { lockfile: "../package-lock.json" }, "runtime_env.lockfile"],
  ["a package that is not there", { npm: ["zod", "./vendor/other.tgz"] }, "runtime_env.npm[1]"],
  ["a package outside", { npm: ["./../own.tgz"] }, "runtime_env.npm[0]"],
  ["a wheel that is not there", { pip: ["./vendor/other.whl"] }, "runtime_env.pip[0]"],
  ["a lockfile without a bundle", { bundle: "", lockfile: "package-lock.json" }, "runtime_env.lockfile"],
  ["a package file without a bundle", { bundle: "", npm: ["./vendor/@a/own@1.tgz"] }, "runtime_env.npm[0]"],
  ["a bundle in another form", { bundle: "sha256:abc" }, "runtime_env.bundle"],
  ["an image", { image: "registry.example.com/model:3" }, "runtime_env.image"],
])("%s is refused by its field", async (_, runtimeEnv, field, path) => {
  const spec = specOf(runtimeEnv, path);
  const refused = (root: string) => ({ code: "INVALID_ARGUMENT", facts: { violations: [{ field: `${root}.${field}` }] } });
  await expect(controller().deploy({ spec })).rejects.toMatchObject(refused("spec"));
  await expect(controller().deploy({ spec, validateOnly: true })).rejects.toMatchObject(refused("spec"));
  await expect(controller().apply({ specs: [{ ...specOf(), name: "b" }, spec] })).rejects.toMatchObject(refused("specs[1]"));
});

test("a changed bundle is a rollout that names it, and an equal one is nothing, without a version", async () => {
  await controller().deploy({ spec: specOf() });
  const position = await opened.store.position();
  expect(await controller().deploy({ spec: specOf() })).toMatchObject({ effect: Effect.NONE, changes: [] });
  expect(await opened.store.position()).toBe(position);
  const next = await sendBundle(controller(), { "src/app.ts": "2" });
  const changed = { effect: Effect.ROLLOUT, changes: [{ field: "runtime_env.bundle", before: `"${bundle}"`, after: `"${next}"` }] };
  expect(await controller().deploy({ spec: specOf({ bundle: next }), validateOnly: true })).toMatchObject(changed);
  const { deployment, ...made } = await controller().deploy({ spec: specOf({ bundle: next }) });
  expect(made).toMatchObject(changed);
  expect(deployment?.status?.revision).toBe(2n);
  const { deployment: back } = await controller().rollback({ name: "a", revision: 1n });
  expect(back?.spec?.runtimeEnv?.bundle).toBe(bundle);
  const { revisions } = await controller().listRevisions({ name: "a" });
  expect(revisions.map(({ spec }) => spec?.runtimeEnv?.bundle)).toEqual([next, bundle]);
});

test("redeploy is a new revision where nothing changes, once for a request", async () => {
  const spec = { ...specOf(), version: "1" };
  await controller().deploy({ spec });
  expect(await controller().deploy({ spec, redeploy: true, validateOnly: true })).toMatchObject({ effect: Effect.ROLLOUT, changes: [] });
  const first = await controller().deploy({ spec, redeploy: true, requestId: "once" });
  expect(first).toMatchObject({ effect: Effect.ROLLOUT, changes: [], deployment: { status: { revision: 2n, generation: 2n } } });
  expect(await controller().deploy({ spec, redeploy: true, requestId: "once" })).toEqual(first);
  await expect(controller().deploy({ spec, requestId: "once" })).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
  const { results } = await controller().apply({ specs: [spec, { ...spec, name: "b" }], redeploy: true });
  expect(results.map(({ effect, deployment }) => [effect, deployment?.status?.revision])).toEqual([
    [Effect.ROLLOUT, 3n],
    [Effect.ROLLOUT, 1n],
  ]);
});

test("redeploy of a changed config is one rollout, which no replica needs to take while it runs", async () => {
  const config = (value: number) => ({ ...specOf(), userConfig: { kind: { case: "numberValue" as const, value } } });
  await controller().deploy({ spec: config(1) });
  const { effect, deployment } = await controller().deploy({ spec: config(2), redeploy: true });
  expect(effect).toBe(Effect.ROLLOUT);
  expect(deployment?.status).toMatchObject({ revision: 2n, configGeneration: 2n });
});

test("a retry has its first answer, also when the bundle is no longer kept", async () => {
  const first = await controller().deploy({ spec: specOf(), requestId: "once" });
  const applied = await controller().apply({ specs: [specOf({}, undefined, "b")], requestId: "twice" });
  await forgetBundles();
  expect(await controller().deploy({ spec: specOf(), requestId: "once" })).toEqual(first);
  expect(await controller().apply({ specs: [specOf({}, undefined, "b")], requestId: "twice" })).toEqual(applied);
  await expect(controller().deploy({ spec: specOf(), requestId: "new" })).rejects.toMatchObject({ reason: "BUNDLE_NOT_FOUND" });
});
