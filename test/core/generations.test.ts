import { expect, test } from "vitest";
import { changed, changing, firstRecord, nextRecord, rolledBack } from "../../src/core/generations.ts";
import { spec } from "../kit/records.ts";

test("an equal spec with a version changes nothing, and without one is a new revision", () => {
  const record = firstRecord(spec, "u", 1);
  expect(nextRecord(record, { ...spec, labels: {} }, 2)).toBe(record);
  expect(nextRecord(record, { ...spec, version: "" }, 2)).toMatchObject({
    generation: 2,
    revision: 2,
    configGeneration: 1,
    updatedAtMs: 2,
  });
});

test("a new config raises its generation, also over those of changes that were refused; null is one, none is not", () => {
  const record = firstRecord(spec, "u", 1);
  const withNull = nextRecord(record, { ...spec, userConfig: null }, 2);
  expect(withNull).toMatchObject({ configGeneration: 2, newestConfigGeneration: 2, revision: 1 });
  expect(nextRecord(withNull, { ...spec, userConfig: null, numReplicas: 7 }, 3)).toMatchObject({ configGeneration: 2, generation: 3 });
  const refused = changed(changing(withNull, "c"), 4);
  expect(refused).toEqual({ ...withNull, newestConfigGeneration: 3 });
  expect(nextRecord(refused, { ...spec, userConfig: 5 }, 5)).toMatchObject({ configGeneration: 4 });
});

test("a change of config that is committed is a new generation of the spec, and of the config", () => {
  const record = changing(firstRecord(spec, "u", 1), "c");
  expect(record).toMatchObject({ changing: "c", generation: 1, configGeneration: 1, newestConfigGeneration: 2 });
  const after = changed(record, 7, { spec: { ...spec, userConfig: 1 }, generation: 2 });
  expect(after).toMatchObject({ generation: 2, configGeneration: 2, revision: 1, updatedAtMs: 7, spec: { userConfig: 1 } });
  expect(after.changing).toBeUndefined();
});

test("a rollback takes the config back that its revision had last", () => {
  const record = nextRecord(firstRecord({ ...spec, userConfig: 1 }, "u", 1), { ...spec, userConfig: 2, version: "2" }, 2);
  const back = rolledBack(record, { revision: 1, spec: { ...spec, userConfig: 1 } }, 3);
  expect(back).toMatchObject({ revision: 1, configGeneration: 3, spec: { userConfig: 1, version: "1" } });
});
