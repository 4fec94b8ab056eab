// What a program in Python says of its deployment, as `drover run app.py` asks it.
import { basename } from "node:path";
import { fromJson } from "@bufbuild/protobuf";
import { describe, expect } from "vitest";
import { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { kebab } from "../../src/program/definition.ts";
import { raysNames } from "../../src/program/rays-names.ts";
import { dedent, runIn, pythonTest as test } from "./python-harness.ts";

interface Described {
  readonly application: string | null;
  readonly deployments: readonly { readonly spec: Record<string, unknown>; readonly export: string; readonly uses: readonly string[] }[];
  readonly files: readonly string[];
}

async function describedAll(source: string, ...args: readonly string[]) {
  const { exit, stdout, stderr } = await runIn({ "app.py": `import drover\n${dedent(source)}` }, "drover.describe", ["app.py", ...args]);
  return exit === 0 ? (JSON.parse(stdout) as Described) : { exit, stdout, stderr };
}

/** The only deployment of a file. */
async function described(source: string, ...args: readonly string[]) {
  const answer = await describedAll(source, ...args);
  if ("exit" in answer) return answer;
  expect(answer).toMatchObject({ application: null, deployments: [{ uses: [] }] });
  return { spec: answer.deployments[0]?.spec ?? {}, export: answer.deployments[0]?.export, files: answer.files };
}

describe("describe", () => {
  test("prints every option as proto JSON of a spec, with the proto's names", async () => {
    const source = `
      import datetime, os
      print("noise")
      os.system("echo noise")
      @drover.deployment(
          name="model", version="1", num_replicas=2, user_config={"threshold": 0.5, "labels": ("a", "b"), "none": None},
          resources={"num_cpus": 0.5, "num_gpus": 0.5, "memory_bytes": 2**40, "custom": {"tpu": 1}},
          max_ongoing_requests=8, max_queued_requests=9, init_args={"size": "large"},
          runtime_env={"working_dir": "data", "env_vars": {"A": "1"}, "npm": ["a@1"], "pip": ["b==1"]},
          health_check={"period": 5, "timeout": "1.5s", "failure_threshold": 2},
          graceful_shutdown_timeout=20, startup_timeout=datetime.timedelta(minutes=1), request_timeout=0.1,
          labels={"team": "ml"}, rollout={"max_unavailable_percent": 10, "strategy": "AVAILABILITY", "auto_rollback": False})
      class Model: pass
    `;
    const answer = await described(source);
    expect(answer).toEqual({
      files: [expect.stringMatching(/\/app\.py$/)],
      export: "Model",
      spec: {
        name: "model",
        version: "1",
        num_replicas: 2,
        user_config: { threshold: 0.5, labels: ["a", "b"], none: null },
        resources: { num_cpus: 0.5, num_gpus: 0.5, memory_bytes: 2 ** 40, custom: { tpu: 1 } },
        max_ongoing_requests: 8,
        max_queued_requests: 9,
        init_args: { size: "large" },
        runtime_env: { working_dir: "data", env_vars: { A: "1" }, npm: ["a@1"], pip: ["b==1"] },
        health_check: { period: "5s", timeout: "1.5s", failure_threshold: 2 },
        graceful_shutdown_timeout: "20s",
        startup_timeout: "60s",
        request_timeout: "0.1s",
        labels: { team: "ml" },
        rollout: { max_unavailable_percent: 10, strategy: "ROLLOUT_STRATEGY_AVAILABILITY", auto_rollback: false },
      },
    });
    fromJson(DeploymentSpecSchema, (answer as unknown as { spec: never }).spec);
  });

  test("finds the only deployment, or the only one made of what the file defines, or the one named, plain ones too", async () => {
    const other = "import drover\n@drover.deployment\ndef other(): pass\n";
    const files = {
      "other.py": other,
      "app.py": "import drover\nfrom other import other\n@drover.deployment\nclass Own: pass\nclass Plain: pass\n",
    };
    const ask = async (...args: string[]) => (await runIn(files, "drover.describe", ["app.py", ...args])).stdout;
    const only = async (...args: string[]) => JSON.parse(await ask(...args)).deployments[0];
    expect(await only()).toMatchObject({ export: "Own", spec: { name: "own" } });
    expect(JSON.parse(await ask()).files.map((path: string) => basename(path))).toEqual(["app.py", "other.py"]);
    expect(await only("other")).toMatchObject({ export: "other", spec: { name: "other" } });
    expect(await only("Plain")).toMatchObject({ export: "Plain", spec: { name: "plain" } });
    expect((await runIn({ "app.py": "from other import other\n", "other.py": other }, "drover.describe", ["app.py"])).exit).toBe(0);
  });

  test("names a deployment as the other SDK does", async () => {
    const names = ["MyModel", "HTTPServer2", "a_b__c", "GPT4All", "X", "parseJSONText", "__Hidden__"];
    const classes = names.map((name) => `class ${name}: pass\n${name} = drover.deployment(${name})`).join("\n");
    for (const name of names) expect(await described(classes, name)).toMatchObject({ spec: { name: kebab(name) } });
    expect(await described("f = drover.deployment(lambda: 1)")).toMatchObject({ spec: { name: "f" } });
  });

  test("has the text of a member of an enum, not the member's name", async () => {
    const source = `
      import enum
      class Color(str, enum.Enum):
          RED = "red"
      model = drover.deployment(name=Color.RED, labels={"a": Color.RED}, user_config={Color.RED: [Color.RED]})(lambda: 1)
    `;
    expect(await described(source, "model")).toMatchObject({
      spec: { name: "red", labels: { a: "red" }, user_config: { red: ["red"] } },
    });
  });

  test("says on standard error why there is nothing to describe, and nothing on standard output", async () => {
    const failed = { exit: 1, stdout: "" };
    expect(await described("print('noise')\nraise ValueError('broken')")).toMatchObject({
      ...failed,
      stderr: expect.stringMatching(/^noise\n.*cannot be imported: Traceback.*ValueError: broken\n$/s),
    });
    const missing = "import no_such_package";
    const turned = `try:\n  ${missing}\nexcept ImportError:\n  raise RuntimeError("needs it")`;
    for (const source of [missing, turned]) expect(await described(source)).toMatchObject({ ...failed, exit: 3 });
    expect(await described("x = 1")).toMatchObject({ ...failed, stderr: expect.stringContaining("it has no deployment") });
    expect(await described("f = drover.deployment(lambda: 1)", "g")).toMatchObject({
      ...failed,
      stderr: expect.stringContaining('no "g"'),
    });
  });
});

describe("an application", () => {
  const graph = `
    import other
    @drover.deployment(num_replicas=2, init_args={"language": "fr", "size": 1})
    class Translator:
        def __init__(self, language, size=1): pass
    @drover.deployment(name="sum")
    class Summarizer:
        def __init__(self, translator, other=None, *, min_length=3, more=()): pass
  `;
  const other = "import drover\n@drover.deployment\nclass Other:\n    pass\n";
  const ask = async (source: string, ...args: string[]) => {
    const files = { "app.py": `import drover\n${dedent(graph)}\n${dedent(source)}`, "other.py": other };
    const { exit, stdout, stderr } = await runIn(files, "drover.describe", ["app.py", ...args]);
    return exit === 0 ? (JSON.parse(stdout) as Described) : stderr;
  };

  test("holds each bound deployment once, the root first, by position and by name", async () => {
    const source = `
      shared = Translator.bind(size=2)
      app = Summarizer.bind(shared, other.Other.bind(), min_length=5, more=(Translator.bind("de"), {"a": shared}))
    `;
    expect(await ask(source)).toEqual({
      application: "sum",
      deployments: [
        {
          export: "Summarizer",
          spec: {
            name: "sum",
            init_args: {
              translator: { $deployment: "translator" },
              other: { $deployment: "other" },
              min_length: 5,
              more: [{ $deployment: "translator-2" }, { a: { $deployment: "translator" } }],
            },
          },
          uses: ["translator", "other", "translator-2"],
        },
        { export: "Translator", spec: { name: "translator", num_replicas: 2, init_args: { language: "fr", size: 2 } }, uses: [] },
        { export: "app#other", spec: { name: "other" }, uses: [] },
        { export: "Translator", spec: { name: "translator-2", num_replicas: 2, init_args: { language: "de", size: 1 } }, uses: [] },
      ],
      files: [expect.stringMatching(/app\.py$/), expect.stringMatching(/other\.py$/)],
    });
  });

  test("is found by its name, as app, or as the only one, or is built by a function", async () => {
    const source = `
      a = Translator.bind()
      b = other.Other.bind()
      def build(size=7): return Summarizer.bind(Translator.bind(size=size), other=b)
      def broken(): raise ValueError("no model")
      def plain(): return 1
    `;
    const names = async (...args: string[]) => {
      const answer = await ask(source, ...args);
      return typeof answer === "string" ? answer : answer.deployments.map(({ spec, export: at }) => `${spec.name} ${at}`);
    };
    expect(await names("b")).toEqual(["other b#other"]);
    expect(await names()).toContain("name one of them: a, b");
    expect(await names("build")).toEqual(["sum Summarizer", "translator Translator", "other build#other"]);
    expect(await ask(source, "build", '{"size": 9}')).toMatchObject({
      application: "sum",
      deployments: [{}, { spec: { init_args: { size: 9 } } }, { export: 'build?{"size":9}#other' }],
    });
    expect(await names("plain")).toEqual(["plain plain"]);
    expect(await names("broken")).toContain("ValueError: no model");
    expect(await names("build", '{"sise": 9}')).toContain("sise");
    expect(await names("plain", "{}")).toContain("must return an application");
    expect(await names("", "{}")).toContain("app.py:build");
  });

  test("is built with all arguments as one where the only parameter is annotated as a dict or a class", async () => {
    const source = `
      import dataclasses
      @dataclasses.dataclass
      class Args:
          size: int = 7
          language: str = "fr"
      def one(args: Args): return Translator.bind(args.language, args.size)
      def plain(args: dict[str, int]): return Translator.bind(size=args["size"])
    `;
    for (const [name, args, init_args] of [
      ["one", { size: 9 }, { language: "fr", size: 9 }],
      ["one", { args: { language: "de" } }, { language: "de", size: 7 }],
      ["plain", { size: 9 }, { size: 9 }],
    ] as const)
      expect(await ask(source, name, JSON.stringify(args))).toMatchObject({ deployments: [{ spec: { init_args } }] });
    expect(await ask(source, "one", '{"sise": 9}')).toMatch(/args\.sise: /);
  });

  test("takes handles of other deployments among the arguments, and parameters without a name", async () => {
    const source = `
      @drover.deployment
      class Panel:
          def __init__(self, title, /, *experts, size=1): pass
      app = Panel.bind("all", Translator.bind(), drover.handle("far"), size=2)
    `;
    expect(await ask(source)).toMatchObject({
      deployments: [
        {
          spec: { init_args: { title: "all", experts: [{ $deployment: "translator" }, { $deployment: "far" }], size: 2 } },
          uses: ["translator"],
        },
        {},
      ],
    });
    expect(await ask(`${source}\napp = Panel.bind(size=1)`)).toContain("'title'");
    expect(await ask('Translator.bind(drover.handle("far").options(timeout=1))')).toContain("set addresses and options in the constructor");
  });

  for (const [call, said] of [
    ["Summarizer.bind()", "Summarizer.bind: missing a required argument: 'translator'"],
    ["Summarizer.bind(1, nothing=2)", "Summarizer.bind: got an unexpected keyword argument 'nothing'"],
    ["Summarizer.bind(1, more=[{'a': Translator}])", "Summarizer.bind: more[0].a is a deployment without its arguments"],
    ["Summarizer.bind({1, 2})", "init_args.translator is a set"],
    ["drover.deployment(lambda: 1).bind(1)", "make it a class"],
  ] as const) {
    test(`refuses a wrong argument by its name: ${call}`, async () => {
      expect(await ask(call)).toContain(said);
    });
  }
});

test("a wrong option is a TypeError that names the option", async () => {
  const cases: [string, string][] = [
    ["replicas=2", "option replicas: there is no such option; do you mean num_replicas?"],
    ["numReplicas=2", "option numReplicas: there is no such option; do you mean num_replicas?"],
    ["program={}", "option program: there is no such option; there are name, version"],
    ["resources={'cpus': 1}", "option resources.cpus: there is no such option; do you mean num_cpus?"],
    ["num_replicas='2'", "option num_replicas: must be a whole number, not '2'"],
    ["num_replicas=True", "option num_replicas: must be a whole number, not True"],
    ["num_replicas=1.5", "option num_replicas: must be a whole number, not 1.5"],
    ["resources={'num_cpus': float('nan')}", "option resources.num_cpus: must be a finite number, not nan"],
    ["labels={'a': 1}", "option labels.a: must be text, not 1"],
    ["labels={1: 'a'}", "option labels: must be a dict whose keys are text, not 1"],
    ["runtime_env={'pip': 'numpy'}", "option runtime_env.pip: must be a list, not 'numpy'"],
    ["request_timeout='20'", "option request_timeout: must be a time: seconds as a number, or text like "],
    ["request_timeout='1h 30m'", "option request_timeout: must be a time"],
    ["num_cpus=1", "option num_cpus: there is no such option; do you mean resources.num_cpus?"],
    ["ray_actor_options={}", "option ray_actor_options: there is no such option; do you mean resources and runtime_env?"],
    ["route_prefix='/'", "option route_prefix: there is no such option; Ray Serve has it; leave it out"],
    [
      "autoscaling_config={'upscale_delay_s': 1}",
      "option autoscaling_config.upscale_delay_s: there is no such option; do you mean upscale_delay?",
    ],
    ["request_timeout=-1", "option request_timeout: must be a time"],
    ["rollout={'strategy': 'FAST'}", "option rollout.strategy: must be AUTO or AVAILABILITY, not 'FAST'"],
    ["autoscaling_config={'schedules': [{'cron': 1}]}", "option autoscaling_config.schedules[0].cron: must be text, not 1"],
    ["user_config={'a': [1, {2}]}", "option user_config: must be JSON, but user_config.a[1] is a set"],
    ["user_config={'a': 2**53 + 1}", "option user_config: must be JSON, but user_config.a is an int beyond 2^53"],
    ["user_config=[1e400]", "option user_config: must be JSON, but user_config[0] is Infinity"],
    ["init_args={'a': '\\ud800'}", "option init_args: must be JSON, but init_args.a is text with half a character"],
    ["labels={'a': '\\ud800'}", "option labels.a: must not be text with half a character"],
    ["init_args=[1]", "option init_args: must be a dict, not a list"],
    ["services=1", "option services: must be a function"],
    ["user_config_schema=1", "option user_config_schema: must be a pydantic model or TypeAdapter, or a function"],
  ];
  const check = `
    import drover, json
    class M: pass
    for option in json.load(open("options.json")):
        try: eval(f"drover.deployment({option})(M)")
        except TypeError as error: print(json.dumps([option, str(error)]))
        else: print(json.dumps([option, "accepted"]))
  `;
  const options = JSON.stringify(cases.map(([option]) => option));
  const { stdout, stderr } = await runIn({ "check.py": check, "options.json": options }, "check", []);
  expect(stderr).toBe("");
  const said = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as [string, string]);
  expect(said).toEqual(cases.map(([option, message]) => [option, expect.stringContaining(`deployment ${message}`)]));
});

test("the traceback of a wrong option ends in the program's own file", async () => {
  const { stderr } = (await described("class M: pass\ndrover.deployment(replicas=2)(M)")) as { stderr: string };
  expect(stderr).toContain("TypeError: deployment option replicas");
  expect(stderr).not.toContain("/sdk/python/");
});

test("the author's own tests use a deployment like what it is made of; copies replace options", async () => {
  const check = `
    import drover, inspect
    @drover.deployment(num_replicas=2, labels={"a": "1"})
    class Model:
        """Doc."""
        def __init__(self, size=1): self.size = size
        def call(self, x): return x * self.size
    @drover.deployment
    async def add(pair): return sum(pair)
    import asyncio
    assert Model(size=3).call(2) == 6 and Model.__doc__ == "Doc." and Model.__name__ == "Model"
    assert list(inspect.signature(Model).parameters) == ["size"]
    assert asyncio.run(add([1, 2])) == 3
    class Bigger(Model):
        def call(self, x): return super().call(x) + 1
    assert Bigger(2).call(2) == 5 and not isinstance(Bigger, drover.Deployment)
    other = Model.options(num_replicas=None, version="2")
    assert other.spec_json("Model", "x.py") == {"name": "model", "labels": {"a": "1"}, "version": "2"}
    assert Model.spec_json("Model", "x.py") == {"name": "model", "num_replicas": 2, "labels": {"a": "1"}}
    for wrong in (lambda: Model.options(replicas=1), lambda: drover.deployment(Model), lambda: drover.deployment(5), lambda: drover.no_such):
        try: wrong()
        except (TypeError, AttributeError): pass
        else: raise SystemExit("accepted")
    try: drover.StatusError("OK", "fine")
    except ValueError: print("good")
  `;
  expect(await runIn({ "check.py": check }, "check", [])).toMatchObject({ exit: 0, stdout: "good\n" });
});

test("the types of the options are those of the proto", async () => {
  const check = `
    import typing
    from drover import deployment_options as options
    from drover._gen.drover.v1 import deployment_pb2 as pb
    from drover.definition import IN_CODE
    in_code, not_options = set(IN_CODE), {"program"}
    assert set(options.DeploymentOptions.__annotations__) - in_code == set(pb.DeploymentSpec.DESCRIPTOR.fields_by_name) - not_options
    for name in ("Resources", "RuntimeEnv", "Burst", "ScheduledMinimum", "AutoscalingConfig", "Rollout", "HealthCheck"):
        assert set(getattr(options, name).__annotations__) == set(getattr(pb, name).DESCRIPTOR.fields_by_name), name
    from drover.errors import CODE_OF_REASON
    from drover._gen.drover.v1.errors_pb2 import ErrorReason
    for reason in CODE_OF_REASON: ErrorReason.Value("ERROR_REASON_" + reason)
    print("good")
  `;
  expect(await runIn({ "check.py": check }, "check", [])).toMatchObject({ exit: 0, stdout: "good\n" });
});

test("times, num_replicas and names of Ray Serve are read as the command line and the TypeScript SDK read them", async () => {
  const check = `
    import json
    from drover.rays_names import RAYS_NAMES
    from drover.spec import options_json
    print(json.dumps({
        "rays": {name: meaning if isinstance(meaning, str) else list(meaning) for name, meaning in RAYS_NAMES.items()},
        "times": [options_json({"request_timeout": text})["request_timeout"] for text in ("10m", "1h30m", "500ms", "1.5h", "0.000000001s")],
        "auto": options_json({"num_replicas": "auto", "autoscaling_config": {"max_replicas": 5}}),
    }))
  `;
  const { stdout } = (await runIn({ "check.py": check }, "check", [])) as { stdout: string };
  const rays = Object.entries(raysNames).map(([name, meaning]) => [name, "fields" in meaning ? meaning.fields : meaning.remedy]);
  expect(JSON.parse(stdout)).toEqual({
    rays: Object.fromEntries(rays),
    times: ["600s", "5400s", "0.5s", "5400s", "0.000000001s"],
    auto: { autoscaling_config: { min_replicas: 1, max_replicas: 5, target_ongoing_requests: 2 } },
  });
});
