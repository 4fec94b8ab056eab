// The Python package as its users import it.
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { temporaryFolder } from "../replica/harness.ts";
import { dedent, python, runModule, sdk, pythonTest as test } from "./python-harness.ts";

async function check(source: string, env: Record<string, string> = {}) {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "check.py"), dedent(source));
  return runModule("check", [], folder, env).ended;
}

describe("the names of the package", () => {
  test("are the same things however often and however they are imported, and no module has one of them", async () => {
    const { stdout, stderr } = await check(`
      import importlib, pkgutil, types
      import drover
      first = {name: getattr(drover, name) for name in drover.__all__}
      modules = {module.name for module in pkgutil.iter_modules(drover.__path__)}
      assert not modules & set(drover.__all__), modules & set(drover.__all__)
      for module in sorted(modules):
          importlib.import_module("drover." + module)
      for name in drover.__all__:
          exec("from drover import " + name + " as imported")
          assert imported is first[name] is getattr(drover, name), name
          assert not isinstance(imported, types.ModuleType), name
      from drover import *
      assert run is first["run"] and set(drover.__all__) <= set(dir(drover))
      print("good")
    `);
    expect(stdout, stderr).toBe("good\n");
  });
});

test("names of Ray Serve are refused with what to write", async () => {
  const { stdout, stderr } = await check(`
    import drover
    model = drover.handle("model")
    for call in (
        lambda: drover.batch(batch_wait_timeout_s=1),
        lambda: drover.multiplexed(max_num_models_per_replica=1),
        lambda: model.options(multiplexed_model_id="m"),
        lambda: model.options(stream=True),
        lambda: model.score().result(timeout_s=1),
        lambda: drover.get_app_handle("app"),
    ):
        try: call()
        except (TypeError, AttributeError) as error: print(error)
  `);
  expect(stdout.trim().split("\n"), stderr).toEqual([
    expect.stringMatching(/ batch_wait_timeout\?$/),
    expect.stringMatching(/ max_models\?$/),
    expect.stringMatching(/ model\?$/),
    expect.stringContaining(".stream("),
    expect.stringMatching(/ timeout\?$/),
    expect.stringContaining("drover.handle(name)"),
  ]);
});

describe("run", () => {
  const text = "import drover\n@drover.deployment\nclass Model: pass\ntry: drover.run(Model)\nexcept ValueError as error: print(error)\n";

  /** What Python prints that reads the program from its standard input. */
  async function typed(program: string, cwd?: string): Promise<string> {
    const env = { PATH: process.env.PATH, PYTHONPATH: sdk, PYTHONDONTWRITEBYTECODE: "1", DROVER_API: "127.0.0.1:1" };
    const child = spawn(python(), ["-"], { cwd, env, stdio: ["pipe", "pipe", "inherit"] });
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk));
    child.stdin.end(program);
    await new Promise((done) => child.once("close", done));
    return stdout;
  }

  test("says what to do where a deployment comes from standard input", async () => {
    expect(await typed(text)).toMatch(/^Model .*standard input.*from app import Model.*\n$/);
    expect(await typed(text.replaceAll("run(Model)", "run(app)").replace("try:", "app = Model.bind()\ntry:"))).toMatch(
      /^app .*from app import app.*\n$/,
    );
  });

  test("from standard input finds the file that an application, or its deployments, are imported from", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "app.py"), "import drover\n@drover.deployment\nclass Model: pass\napp = Model.bind()\n");
    const imports = dedent(`
      import drover
      from app import Model, app
      for one in (app, Model.bind(), Model):
          try: drover.run(one)
          except drover.StatusError as error: print(error.code, "127.0.0.1:1" in error.message)
    `);
    // It comes as far as the controller, which is missing here.
    expect(await typed(imports, folder)).toBe("UNAVAILABLE True\n".repeat(3));
  });

  test("says what to do where a deployment comes from a notebook", async () => {
    // As Jupyter runs a cell: in a module __main__ without a file.
    const { stdout, stderr } = await check(`
      import types, sys
      sys.modules["__main__"] = cells = types.ModuleType("__main__")
      cells.get_ipython = lambda: None
      exec(${JSON.stringify(text)}, vars(cells))
    `);
    expect(stdout, stderr).toMatch(/^Model .*notebook.*%%writefile app\.py.*from app import Model.*\n$/);
  });
});
