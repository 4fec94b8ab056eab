"""The types of a deployment's options in code.

The names are those of `DeploymentSpec`; `proto/drover/v1/deployment.proto` documents every option,
its range and its default. `spec.py` reads the options by the proto itself; a test compares these
types with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypedDict, Union

from .json_value import Json

#: A time: `"20s"`, `"500ms"`, `"10m"`, `"1h30m"`, a number of seconds, or a `timedelta`.
Duration = Union[str, float, timedelta]

#: Registers one gRPC service at a server, such as
#: `lambda server: add_GreeterServicer_to_server(greeter, server)`.
AddService = Callable[[Any], object]


class Resources(TypedDict, total=False):
    """The resources of each replica; the finest step is 1/1000."""

    #: 0 to 10,000; unset: 1.
    num_cpus: float
    #: Below 1: a share of one GPU; else a whole number. Unset: 0.
    num_gpus: float
    #: Bytes; unset: 0, which neither reserves nor bounds memory.
    memory_bytes: int
    #: Amounts of custom resources, by name.
    custom: Mapping[str, float]


class RuntimeEnv(TypedDict, total=False):
    """The working folder, variables and packages of the program."""

    #: The folder to run in, relative to the program's file; unset: the folder that is sent.
    working_dir: str
    env_vars: Mapping[str, str]
    #: Packages to install, as npm and pip name them; or `./x.tgz` and `./x.whl`, files of the
    #: folder that is sent.
    npm: Sequence[str]
    pip: Sequence[str]
    #: The digest of a bundle that the controller has; unset: the program's folder is sent.
    bundle: str
    #: The file of the bundle that names the exact packages to install; unset: `uv.lock`,
    #: `pylock.toml` or `requirements.txt`, the nearest to the program.
    lockfile: str
    #: A container image, for engines that run images.
    image: str


class Burst(TypedDict, total=False):
    """How the number of replicas follows a sudden load."""

    window: Duration
    threshold: float
    disabled: bool


class ScheduledMinimum(TypedDict, total=False):
    """A minimum of replicas that holds at recurring times."""

    cron: str
    time_zone: str
    min_replicas: int
    duration: Duration


class AutoscalingConfig(TypedDict, total=False):
    """How the number of replicas follows the load."""

    min_replicas: int
    max_replicas: int
    initial_replicas: int
    #: Spare replicas above what the load needs; unset: 0.
    buffer_replicas: int
    target_ongoing_requests: float
    upscale_delay: Duration
    downscale_delay: Duration
    downscale_to_zero_delay: Duration
    upscaling_factor: float
    downscaling_factor: float
    look_back_period: Duration
    metrics_interval: Duration
    aggregation: Literal["MEAN", "MAX", "MIN"]
    burst: Burst
    schedules: Sequence[ScheduledMinimum]


class Rollout(TypedDict, total=False):
    """How replicas are replaced by replicas of a new revision."""

    max_unavailable_percent: int
    max_surge_percent: int
    strategy: Literal["AUTO", "AVAILABILITY"]
    min_ready_time: Duration
    progress_deadline: Duration
    max_start_failures: int
    auto_rollback: bool


class HealthCheck(TypedDict, total=False):
    """How the health of replicas is checked."""

    period: Duration
    timeout: Duration
    failure_threshold: int


class DeploymentOptions(TypedDict, total=False):
    """A `DeploymentSpec` without the program, and the options that exist in code only."""

    #: Unset: the name of the class or function, in kebab-case.
    name: str
    version: str
    #: Keyword arguments of the constructor.
    init_args: Mapping[str, Any]
    runtime_env: RuntimeEnv
    #: 0 to 10,000; unset: 1. Excludes `autoscaling_config`. "auto": from 1 to 100 by the load; what
    #: `autoscaling_config` says of them wins.
    num_replicas: Union[int, Literal["auto"]]
    autoscaling_config: AutoscalingConfig
    resources: Resources
    #: Requests that one replica works on at a time: 1 to 100,000; unset: 5. As many threads run
    #: methods that are not async.
    max_ongoing_requests: int
    #: Requests that may wait at a gateway while all replicas are full: 0 to 1,000,000; unset: no
    #: bound.
    max_queued_requests: int
    #: The largest message of a request or its answer, in bytes: 64 KiB to 1 GiB; unset, and at most:
    #: the controller's bound.
    max_message_bytes: int
    #: The argument of the program's `reconfigure`: any JSON value but None, which is the same as
    #: unset.
    user_config: Json
    health_check: HealthCheck
    graceful_shutdown_timeout: Duration
    startup_timeout: Duration
    request_timeout: Duration
    labels: Mapping[str, str]
    rollout: Rollout
    #: The application that it is a part of; unset: the one that it is deployed with, if any.
    application: str
    #: Returns functions that register the program's own gRPC services, for an instance. In code
    #: only.
    services: Callable[[Any], Iterable[AddService]]
    #: A pydantic model or `TypeAdapter`, or a function. If it raises, the `user_config` is refused;
    #: `validate_config` and `reconfigure` get its result. In code only, and for classes only.
    user_config_schema: Any
    #: Names of metadata, in lower case. The calls that a method makes by handles take them along
    #: from its own caller, as they do `x-request-id`, `traceparent`, `tracestate` and `baggage`. In
    #: code only.
    forward_metadata: Sequence[str]
