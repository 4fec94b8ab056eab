"""What names of Ray Serve are here. `RAYS_NAMES` is the same table as src/program/rays-names.ts,
which a test compares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

#: Fields with other names, or something else to do.
Meaning = Union[tuple[str, ...], str]

_PER_FILE = "here each deployment is a document of the file, or an item of its list"
_OF_START = "here it is a setting of drover start (drover start --help)"

RAYS_NAMES: Mapping[str, Meaning] = {
    "ray_actor_options": ("resources", "runtime_env"),
    "memory": ("resources.memory_bytes",),
    "object_store_memory": "leave it out: there is no object store",
    "accelerator_type": ("resources.custom",),
    "max_concurrent_queries": ("max_ongoing_requests",),
    "health_check_period_s": ("health_check.period",),
    "health_check_timeout_s": ("health_check.timeout",),
    "graceful_shutdown_wait_loop_s": "leave it out: a replica ends as soon as it has no requests",
    "init_kwargs": ("init_args",),
    "args": ("init_args",),
    "func_or_class": ("program.module",),
    "import_path": ("program.module.path",),
    "route_prefix": "leave it out: requests name the deployment, as drover invoke NAME METHOD does",
    "max_replicas_per_node": "leave it out: replicas are placed by resources",
    "placement_group_bundles": "leave it out: a replica runs on one node, with its resources",
    "placement_group_strategy": "leave it out: a replica runs on one node, with its resources",
    "request_router_config": "leave it out: the gateway picks the replica with fewer requests in work",
    "logging_config": "leave it out: what a program prints is in drover logs NAME",
    "target_num_ongoing_requests_per_replica": ("target_ongoing_requests",),
    "smoothing_factor": ("upscaling_factor", "downscaling_factor"),
    "upscale_smoothing_factor": ("upscaling_factor",),
    "downscale_smoothing_factor": ("downscaling_factor",),
    "aggregation_function": ("aggregation",),
    "policy": "leave it out: drover simulate shows what autoscaling_config does",
    "conda": ("pip",),
    "py_modules": ("working_dir",),
    "deployments": _PER_FILE,
    "applications": _PER_FILE,
    "http_options": _OF_START,
    "grpc_options": _OF_START,
    "proxy_location": _OF_START,
}

#: Arguments of functions of the SDK.
RAYS_ARGUMENTS: Mapping[str, Meaning] = {
    "max_num_models_per_replica": ("max_models",),
    "multiplexed_model_id": ("model",),
    "stream": "write handle.METHOD.stream(...) for a method that returns a stream",
    "method_name": "write handle.METHOD(...), or handle.method(NAME)(...)",
}

#: Members of `ray.serve`, and what to write instead.
RAYS_MEMBERS: Mapping[str, str] = {
    "get_deployment_handle": "drover.handle(name)",
    "get_app_handle": "drover.handle(name)",
    "get_multiplexed_model_id": "drover.context().model",
    "get_replica_context": "drover.context()",
    "start": "the command `drover start`",
    "shutdown": "the command `drover delete --all`",
    "ingress": "drover.handle(name) in the HTTP server that you have",
}
