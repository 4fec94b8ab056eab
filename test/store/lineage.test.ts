// Goal: what belongs to a deployment is known in one place: it goes with it, and is never another life's.
import { expect, test } from "vitest";
import { silentLog } from "../../src/log/log.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { type Kind, kinds, partKey, placeOf, type Records, type Write } from "../../src/store/store.ts";
import { eraseWrites } from "../../src/store/writes/erase-writes.ts";
import { HandClock } from "../kit/hand-clock.ts";

/** A record of any kind that belongs to the deployment `name` with that uid. */
function written(kind: Kind, name: string, uid: string, version = 0): Write {
  const keys = { name, part: partKey(name, 1), none: `${name} ${uid}` };
  const fields = { uid, deployment: name, spec: { name }, revision: 1, number: 1, generation: 1 };
  return { put: kind, key: keys[placeOf[kind]], version, value: fields as unknown as Records[Kind] } as Write;
}

async function mirrorOf(...writes: readonly Write[]) {
  const clock = new HandClock();
  const store = new MemoryStore({ clock });
  await store.commit(writes);
  return { store, mirror: await Mirror.open({ store, clock, log: silentLog }) };
}

test("a deployment is erased with every record of every kind that belongs to it, and with nothing else", async () => {
  const of = (name: string) => kinds.map((kind) => written(kind, name, `uid of ${name}`));
  const { store, mirror } = await mirrorOf(...of("ant"), ...of("bee"));
  await store.commit(eraseWrites(mirror, "ant"));
  const left = await Promise.all(kinds.map(async (kind) => [kind, (await store.list(kind, { limit: 10 })).entries.length] as const));
  expect(left).toEqual(kinds.map((kind) => [kind, (placeOf[kind] as string) === "none" ? 2 : 1]));
  for (const kind of kinds) expect(mirror.entriesOf(kind, "bee").length, kind).toBe((placeOf[kind] as string) === "none" ? 0 : 1);
  await mirror.close();
});

test("the records of an earlier life of a name are not among those of the present one", async () => {
  const { mirror } = await mirrorOf(...kinds.map((kind) => written(kind, "ant", kind === "deployment" ? "now" : "before")));
  const all = (uid: string) => {
    const lineage = mirror.lineage({ uid, spec: { name: "ant" } });
    const many = [lineage.replicas(), lineage.revisions(), lineage.decisions(), lineage.configs()];
    return [...many.map(({ length }) => length), lineage.revision(1) !== undefined, !!lineage.progress(), !!lineage.change()];
  };
  expect(all("now")).toEqual([0, 0, 0, 0, false, false, false]);
  expect(all("before")).toEqual([1, 1, 1, 1, true, true, true]);
  expect(mirror.ownerOf({ deployment: "ant", uid: "now" })?.key).toBe("ant");
  expect(mirror.ownerOf({ deployment: "ant", uid: "before" })).toBeUndefined();
  await mirror.close();
});
