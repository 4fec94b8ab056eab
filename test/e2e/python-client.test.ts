// The Python SDK's functions and clients of ControllerService against a real controller.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { python, pythonTest, sdk } from "../sdk/python-harness.ts";
import { Drover, run } from "./drover.ts";

const app = `
import drover

@drover.deployment(resources={"num_cpus": 0.1}, user_config={"factor": 2}, labels={"team": "a"})
class Times:
    def reconfigure(self, user_config):
        if user_config["factor"] < 0: raise ValueError("factor must not be negative")
        self.factor = user_config["factor"]
    def apply(self, n):
        print("times", n, flush=True)
        return n * self.factor
`;

const operations = `
import dataclasses, datetime
import drover
from drover import types
from app import Times

name = drover.run(Times)
once = drover.status(name)
assert isinstance(once, types.Deployment), once
assert (once.status.state, once.spec.num_replicas, once.spec.user_config) == ("HEALTHY", 1, {"factor": 2}), once
assert once.spec.labels == {"team": "a"} and once.spec.graceful_shutdown_timeout == datetime.timedelta(seconds=20), once
assert abs(once.create_time - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=5), once
assert [one.spec.name for one in drover.status()] == [name]
try: drover.scale(name, 2, timeout=0)
except drover.StatusError as error: assert error.code == "DEADLINE_EXCEEDED" and name in error.message, error
else: raise AssertionError("not waited for")
assert drover.scale(name, 2).status.running_replicas == 2
answer = drover.reconfigure(name, {"factor": 3})
assert [one.outcome for one in answer.replicas] == ["APPLIED", "APPLIED"], answer
try: drover.reconfigure(name, {"factor": -1})
except drover.StatusError as error: assert error.reason == "RECONFIGURE_REFUSED", error
else: raise AssertionError("accepted")
with drover.get(name) as times: assert times.invoke("apply", 14) == 42

with drover.Client() as client:
    # What was read can be written again, with another value or without.
    spec = client.get_deployment(name).spec
    assert client.deploy(spec).effect == "NONE"
    longer = client.deploy(dataclasses.replace(spec, version="other", graceful_shutdown_timeout="10s"), validate_only=True)
    assert longer.effect == "ROLLOUT", longer
    assert [one.field for one in longer.changes] == ["version", "graceful_shutdown_timeout"], longer
    (result,) = client.apply([{"name": name, "num_replicas": "auto", "program": {"command": {"argv": ["true"]}}}], validate_only=True).results
    assert result.deployment.spec.program.command.argv == ["true"] and result.deployment.spec.program.module is None, result
    assert result.deployment.spec.autoscaling_config.max_replicas == 100, result
    for wrong, place in (({"nam": "x"}, "spec.nam"), ({"resources": {"num_cpus": "1"}}, "spec.resources.num_cpus")):
        try: client.deploy(wrong)
        except TypeError as error: assert place in str(error), error
        else: raise AssertionError("accepted")
    assert [one.state for one in client.list_replicas(name)] == ["RUNNING"] * 2
    configs = list(client.list_configs(name))
    assert [one.user_config["factor"] for one in configs] == [3, 2] and all("@" in one.author for one in configs), configs
    assert [one.revision for one in client.list_revisions(name)] == [1]
    assert any(line.line == "times 14" and line.stream == "STDOUT" for line in client.watch_logs(name))
    assert {one.source for one in client.list_decisions(name)} == {"ROLLOUT"}
    assert client.get_cluster().capacity.num_cpus == 8
    assert client.pause_rollout(name).status.paused and not client.resume_rollout(name).status.paused
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    points = client.simulate_autoscaling({"max_replicas": 4, "upscale_delay": 0}, [types.LoadSample(time=start, total_requests=8)]).points
    assert points[-1].desired == 4 and points[0].time == start, points
    endpoints = next(client.watch_endpoints([name]))
    assert endpoints.exists and len(endpoints.endpoints) == 2, endpoints
    assert client.delete_deployment("no-such", allow_missing=True) is None
    try: client.get_deployment("no-such")
    except drover.StatusError as error: assert error.code == "NOT_FOUND", error
    else: raise AssertionError("found")
    command = {"program": {"command": {"argv": ["true"]}}, "num_replicas": 0}
    client.apply([{"name": part, **command} for part in ("cart", "till")], application="shop")
assert [one.spec.name for one in drover.status(application="shop")] == ["cart", "till"]
drover.delete(application="shop")
assert [one.spec.name for one in drover.status()] == [name]
drover.delete(name)
assert drover.status() == []
print("good")
`;

const asynchronous = `
import asyncio, inspect, sys
import drover
from drover._gen.drover.v1 import controller_service_pb2 as pb

kebab = lambda name: "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
service = pb.DESCRIPTOR.services_by_name["ControllerService"]
for client in (drover.Client, drover.AsyncClient):
    for method in service.methods:
        if method.client_streaming:
            continue  # it takes an iterable
        parameters = inspect.signature(getattr(client, kebab(method.name))).parameters
        fields = {field.name for field in method.input_type.fields} - {"page_size", "page_token"}
        assert fields == set(parameters) - {"self", "timeout"}, method.name

async def main():
    async with drover.AsyncClient() as client:
        argv = [sys.executable, "-m", "drover.replica", sys.argv[1], "Times"]
        spec = {"name": "awaited", "version": "1", "program": {"command": {"argv": argv}}, "user_config": {"factor": 5}}
        deployed = (await client.deploy(spec)).deployment
        async for event in client.watch_deployments(["awaited"], timeout=60):
            now = event.deployment_updated
            if now is not None and now.status.state == "HEALTHY" and now.status.observed_generation >= deployed.status.generation:
                break
        assert [one.spec.name async for one in client.list_deployments()] == ["awaited"]
        assert (await client.scale("awaited", 0)).spec.num_replicas == 0
        assert (await client.delete_deployment("awaited")).uid == deployed.uid
        try: await client.scale("awaited", "two")
        except TypeError as error: assert "num_replicas" in str(error), error
        else: raise AssertionError("accepted")
    async with drover.AsyncClient("unix:/no/such/socket") as nobody:
        try: await nobody.get_cluster(timeout=1)
        except drover.StatusError as error: print(error.code)

asyncio.run(main())
`;

pythonTest("a program in Python runs deployments, with functions, a client and an async client of the whole API", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drover-python-client-"));
  const path = process.env.PATH;
  process.env.PATH = `${dirname(python())}:${path}`; // the `python3` of the replicas
  const drover = await Drover.start().finally(() => {
    process.env.PATH = path;
  });
  try {
    const { api, gateway } = drover.addresses;
    const env = { PYTHONPATH: sdk, PYTHONDONTWRITEBYTECODE: "1", DROVER_API: api, DROVER_GATEWAY: gateway };
    const texts = { "app.py": app, "operations.py": operations, "asynchronous.py": asynchronous };
    for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text);
    expect(await run(python(), ["operations.py"], { cwd: folder, env })).toMatchObject({ code: 0, stdout: "good\n" });
    const answer = await run(python(), ["asynchronous.py", join(folder, "app.py")], { cwd: folder, env });
    expect(answer).toMatchObject({ code: 0, stdout: "UNAVAILABLE\n" });
  } finally {
    await drover.close();
    await rm(folder, { recursive: true, force: true });
  }
});
