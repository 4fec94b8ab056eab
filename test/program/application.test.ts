import { describe, expect, test } from "vitest";
import { type Application, applicationParts, definitionAt, describeProgram, findProgram } from "../../src/program/application.ts";
import { specJson } from "../../src/program/definition.ts";
import { deployment, type Handle, handle } from "../../src/replica/index.ts";

const Translator = deployment(class Translator {}, { numReplicas: 2, initArgs: { language: "fr", size: 1 } });
const Ranker = deployment(class Ranker {});
const Summarizer = deployment(class Summarizer {}, { name: "sum" });
const path = "/apps/app.ts";

async function found(exports: Record<string, unknown>, name = "", args?: Record<string, string | number>) {
  const program = await findProgram(exports, name, args);
  if (program.kind !== "application") throw new Error(JSON.stringify(program));
  return applicationParts(program, exports, path);
}

describe("an application", () => {
  test("holds each bound deployment once, the root first, and constructors get the names of others", async () => {
    const shared = Translator.bind({ size: 2 });
    const app = Summarizer.bind({ parts: [shared, { ranker: Ranker.bind({ translator: shared }) }], minLength: 5, none: undefined });
    expect(await found({ app, Translator, Ranker, Summarizer })).toEqual([
      {
        spec: {
          name: "sum",
          initArgs: { parts: [{ $deployment: "translator" }, { ranker: { $deployment: "ranker" } }], minLength: 5 },
          program: { module: { path, exportName: "app#sum" } },
        },
        uses: ["translator", "ranker"],
      },
      {
        spec: {
          name: "translator",
          numReplicas: 2,
          initArgs: { language: "fr", size: 2 },
          program: { module: { path, exportName: "app#translator" } },
        },
        uses: [],
      },
      {
        spec: {
          name: "ranker",
          initArgs: { translator: { $deployment: "translator" } },
          program: { module: { path, exportName: "app#ranker" } },
        },
        uses: ["translator"],
      },
    ]);
  });

  test("is the same programs for run in the module, which does not know its exports, as for drover run", async () => {
    const app = Summarizer.bind({ a: Translator.bind(), b: Ranker.bind() });
    const described = await describeProgram({ app, Translator, Ranker }, "", path);
    expect(described).toMatchObject({ parts: applicationParts({ root: app, reference: "app" }, {}, path) });
    for (const exports of [{ Translator }, { default: Translator, Ranker }])
      expect(await describeProgram(exports, "", path)).toEqual({
        parts: [{ spec: specJson(Translator, { path, exportName: "" }), uses: [] }],
      });
  });

  test("has handles of other deployments in the place of their names, without options", async () => {
    const far = handle("far");
    const app = Ranker.bind({ a: far, b: [Translator.bind(), far] });
    expect(await found({ app })).toMatchObject([
      {
        spec: { initArgs: { a: { $deployment: "far" }, b: [{ $deployment: "translator" }, { $deployment: "far" }] } },
        uses: ["translator"],
      },
      {},
    ]);
    expect(() => Ranker.bind({ a: far.options({ timeout: 1 }) })).toThrow(/far.*constructor/);
  });

  test("takes the arguments that the constructor, or create, declares", () => {
    class Panel {
      readonly init: unknown;
      constructor(init: { experts: readonly Handle<{ ask(text: string): string }>[]; size?: number; more: unknown }) {
        this.init = init;
      }
    }
    class Made {
      static create(_: { path: string }) {
        return new Made(new Map());
      }
      readonly model: Map<string, string>;
      constructor(model: Map<string, string>) {
        this.model = model;
      }
    }
    const [panel, made] = [deployment(Panel), deployment(Made)];
    expect(panel.bind({ experts: [Ranker.bind(), handle("far")], size: 2, more: { a: [Ranker.bind()] } })).toBeDefined();
    expect(made.bind({ path: "a" })).toBeDefined();
    // @ts-expect-error: no such argument
    expect(panel.bind({ expert: Ranker.bind() })).toBeDefined();
    // @ts-expect-error: not a list
    expect(panel.bind({ experts: Ranker.bind() })).toBeDefined();
    // @ts-expect-error: text
    expect(made.options({ numReplicas: 2 }).bind({ path: 1 })).toBeDefined();
  });

  test("gives a definition that is bound twice two names", async () => {
    const app = Ranker.bind({
      a: Translator.bind({ size: 1 }),
      b: Translator.options({ name: "translator-2" }).bind(),
      c: Translator.bind(),
    });
    const names = (await found({ app })).map(({ spec }) => spec.name);
    expect(names).toEqual(["ranker", "translator", "translator-2", "translator-3"]);
  });

  test("is found as app, else as the default, else as the only one, or by its name", async () => {
    const [a, b] = [Translator.bind(), Ranker.bind()];
    const rootOf = async (exports: Record<string, unknown>, name?: string) => (await found(exports, name))[0]?.spec.name;
    expect(await rootOf({ other: a, app: b, default: a })).toBe("ranker");
    expect(await rootOf({ other: a, default: b })).toBe("ranker");
    expect(await rootOf({ other: b, Translator, Ranker })).toBe("ranker");
    expect(await rootOf({ app: a, other: b }, "other")).toBe("ranker");
    expect(await findProgram({ x: a, y: b }, "")).toEqual({ kind: "none", error: expect.stringContaining("name one of them: x, y") });
  });

  test("is built by a function with arguments, or without any", async () => {
    const build = async ({ size = 7 } = {}) => Ranker.bind({ translator: Translator.bind({ size }) });
    const sizes = async (args?: Record<string, number>) => (await found({ build }, "build", args))[1]?.spec.initArgs;
    expect(await sizes()).toEqual({ language: "fr", size: 7 });
    expect(await sizes({ size: 9 })).toEqual({ language: "fr", size: 9 });
    const ping = () => "pong";
    expect(await findProgram({ ping }, "ping")).toMatchObject({ kind: "definition", definition: { target: ping } });
    for (const [name, exports] of [
      ["ping", { ping }],
      ["", { build }],
      ["app", { app: Ranker.bind() }],
      ["x", {}],
    ] as const)
      expect(await findProgram(exports, name, { size: 1 })).toMatchObject({ kind: "none" });
  });

  test("refuses an argument that is neither JSON nor a deployment, by its name", () => {
    expect(() => Summarizer.bind({ model: { at: [new Date() as never] } })).toThrow(/initArgs\.model\.at\[0\]/);
    const loop: { self?: unknown } = {};
    loop.self = loop;
    expect(() => Summarizer.bind(loop as never)).toThrow(/levels/);
    expect(() => Summarizer.bind({ parts: [Translator as never] })).toThrow(/initArgs\.parts\[0\].*\.bind\(\)/);
    expect(() => deployment(() => 1).bind({ a: 1 })).toThrow(TypeError);
    expect(() => Summarizer.bind(Translator.bind() as never)).toThrow(TypeError);
  });
});

describe("a replica finds its definition", () => {
  const build = ({ size }: { size: number }): Application =>
    Ranker.bind({ a: Translator.options({ services: () => [] }).bind({ size }), b: Ranker.bind() });

  test("of every part of an application, exported or not", async () => {
    const exports = { app: Summarizer.bind({ a: Translator.bind(), b: Translator.bind() }), build, Translator };
    const parts = [...(await found(exports)), ...(await found(exports, "build", { size: 3 }))];
    const references = parts.map(({ spec }) => (spec.program as never as { module: { exportName: string } }).module.exportName);
    expect(references).toEqual([
      "app#sum",
      "app#translator",
      "app#translator-2",
      'build?{"size":3}#ranker',
      'build?{"size":3}#translator', // its services are not those of the export
      'build?{"size":3}#ranker-2',
    ]);
    const targets = await Promise.all(references.map((reference) => definitionAt(exports, reference, path)));
    const [sum, translator, ranker] = [Summarizer.target, Translator.target, Ranker.target];
    expect(targets).toMatchObject([sum, translator, translator, ranker, translator, ranker].map((target) => ({ target })));
    expect((targets[4] as typeof Translator).services).toBeDefined();
  });

  test("or hears why there is none, and never calls a function that is a deployment", async () => {
    const ping = () => {
      throw new Error("called");
    };
    expect(await definitionAt({ ping }, "ping", path)).toMatchObject({ target: ping });
    expect(await definitionAt({ app: Ranker.bind() }, "app", path)).toMatchObject({ target: Ranker.target });
    expect(await definitionAt({ app: Ranker.bind() }, "app#none", path)).toEqual({ error: expect.stringContaining('"none"') });
    expect(await definitionAt({ Ranker }, "Ranker#ranker", path)).toEqual({ error: expect.stringContaining("no application") });
    expect(await definitionAt({}, "app#a", path)).toHaveProperty("error");
  });
});
