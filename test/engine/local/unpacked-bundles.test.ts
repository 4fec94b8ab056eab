// Goal: what is handed out is whole and stays, whatever else goes on. Method: random interleavings of
// callers that come, leave and give back, of sweeps, and of files that cannot be read for a while.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { UnpackedBundles } from "../../../src/engine/local/unpacked-bundles.ts";
import { silentLog } from "../../../src/log/log.ts";
import { testFolder } from "./engine-harness.ts";
import { KeptBundles, nameOf } from "./kept-bundles.ts";

const turn = () => new Promise((done) => setImmediate(done));
const contentsOf = (name: string) => ({ "app.sh": name, "data/one.txt": `one of ${name}`, "data/deep/two.txt": "two" });
const fault = "it cannot be read now";

/** Callers of one folder of unpacked bundles. */
class Scene {
  readonly #kept = new KeptBundles();
  readonly #names: ReadonlyMap<string, string>;
  readonly #needed = new Set<string>();
  readonly #folder: string;
  readonly #bundles: UnpackedBundles;
  readonly #held: { readonly digest: string; readonly files: string }[] = [];
  readonly #callers: AbortController[] = [];
  readonly #calls: Promise<void>[] = [];
  #isFaulty = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.#names = new Map(["a", "b", "c"].map((name) => [this.#kept.keep(contentsOf(name)), name]));
    this.#bundles = new UnpackedBundles({ folder, reader: this.#kept, needed: () => this.#needed, log: silentLog });
    this.#kept.beforePiece = async () => {
      await turn();
      if (this.#isFaulty) throw new Error(fault);
    };
  }

  open = () => this.#bundles.open();

  readonly acts = {
    unpack: (which: number) => void this.#calls.push(this.#unpack(this.#digest(which))),
    leave: () => this.#callers.shift()?.abort(),
    giveBack: () => {
      const first = this.#held.shift();
      if (first !== undefined) this.#bundles.giveBack(first.digest);
    },
    drop: () => this.#bundles.drop(),
    need: (which: number) => void (this.#needed.delete(this.#digest(which)) || this.#needed.add(this.#digest(which))),
    fault: () => {
      this.#isFaulty = !this.#isFaulty;
    },
    look: () => {},
  };

  #digest(which: number): string {
    return [...this.#names.keys()][which] ?? "";
  }

  async #unpack(digest: string): Promise<void> {
    const abort = new AbortController();
    this.#callers.push(abort);
    try {
      this.#held.push({ digest, files: await this.#bundles.unpack(digest, abort.signal) });
    } catch (cause) {
      if (!abort.signal.aborted) expect(String(cause)).toContain(fault);
    }
  }

  /** All that is handed out has its files. */
  async look(): Promise<void> {
    for (const { digest, files } of [...this.#held]) {
      for (const [path, text] of Object.entries(contentsOf(this.#names.get(digest) ?? "")))
        expect(await readFile(join(files, path), "utf8")).toBe(text);
    }
  }

  /** Nothing else is left. */
  async end(): Promise<void> {
    await Promise.all(this.#calls);
    await this.look();
    this.#bundles.drop();
    await this.#bundles.close();
    const mayBe = new Set([...this.#needed, ...this.#held.map(({ digest }) => digest)].map(nameOf));
    const left = await readdir(this.#folder);
    expect(left.filter((name) => name !== "boot" && name !== "package.json" && !mayBe.has(name))).toEqual([]);
  }
}

type Act = keyof Scene["acts"];
const acts: readonly Act[] = ["unpack", "unpack", "unpack", "leave", "giveBack", "giveBack", "drop", "need", "fault", "look"];
const steps = fc.array(fc.tuple(fc.constantFrom(...acts), fc.nat({ max: 2 })), { minLength: 10, maxLength: 60 });

test("a bundle that is handed out is whole until it is given back, and nothing is left of the others", async () => {
  const root = await testFolder();
  let round = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const scene = new Scene(join(root, String(round++)));
      await scene.open();
      for (const [act, which] of history) {
        scene.acts[act](which);
        await turn();
        if (act === "look") await scene.look();
      }
      await scene.end();
    }),
    { numRuns: 40 },
  );
});
