import datetime

from drover._gen.drover.v1 import facts_pb2 as _facts_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RolloutStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLLOUT_STRATEGY_UNSPECIFIED: _ClassVar[RolloutStrategy]
    ROLLOUT_STRATEGY_AUTO: _ClassVar[RolloutStrategy]
    ROLLOUT_STRATEGY_AVAILABILITY: _ClassVar[RolloutStrategy]

class Aggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGGREGATION_UNSPECIFIED: _ClassVar[Aggregation]
    AGGREGATION_MEAN: _ClassVar[Aggregation]
    AGGREGATION_MAX: _ClassVar[Aggregation]
    AGGREGATION_MIN: _ClassVar[Aggregation]

class DeploymentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPLOYMENT_STATE_UNSPECIFIED: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_UPDATING: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_UPSCALING: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_DOWNSCALING: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_HEALTHY: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_UNHEALTHY: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_DEPLOY_FAILED: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_DELETING: _ClassVar[DeploymentState]

class ReplicaState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLICA_STATE_UNSPECIFIED: _ClassVar[ReplicaState]
    REPLICA_STATE_PENDING: _ClassVar[ReplicaState]
    REPLICA_STATE_STARTING: _ClassVar[ReplicaState]
    REPLICA_STATE_RUNNING: _ClassVar[ReplicaState]
    REPLICA_STATE_DRAINING: _ClassVar[ReplicaState]
    REPLICA_STATE_STOPPED: _ClassVar[ReplicaState]
    REPLICA_STATE_FAILED: _ClassVar[ReplicaState]
ROLLOUT_STRATEGY_UNSPECIFIED: RolloutStrategy
ROLLOUT_STRATEGY_AUTO: RolloutStrategy
ROLLOUT_STRATEGY_AVAILABILITY: RolloutStrategy
AGGREGATION_UNSPECIFIED: Aggregation
AGGREGATION_MEAN: Aggregation
AGGREGATION_MAX: Aggregation
AGGREGATION_MIN: Aggregation
DEPLOYMENT_STATE_UNSPECIFIED: DeploymentState
DEPLOYMENT_STATE_UPDATING: DeploymentState
DEPLOYMENT_STATE_UPSCALING: DeploymentState
DEPLOYMENT_STATE_DOWNSCALING: DeploymentState
DEPLOYMENT_STATE_HEALTHY: DeploymentState
DEPLOYMENT_STATE_UNHEALTHY: DeploymentState
DEPLOYMENT_STATE_DEPLOY_FAILED: DeploymentState
DEPLOYMENT_STATE_DELETING: DeploymentState
REPLICA_STATE_UNSPECIFIED: ReplicaState
REPLICA_STATE_PENDING: ReplicaState
REPLICA_STATE_STARTING: ReplicaState
REPLICA_STATE_RUNNING: ReplicaState
REPLICA_STATE_DRAINING: ReplicaState
REPLICA_STATE_STOPPED: ReplicaState
REPLICA_STATE_FAILED: ReplicaState

class Deployment(_message.Message):
    __slots__ = ("spec", "status", "uid", "create_time", "update_time")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    spec: DeploymentSpec
    status: DeploymentStatus
    uid: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, spec: _Optional[_Union[DeploymentSpec, _Mapping]] = ..., status: _Optional[_Union[DeploymentStatus, _Mapping]] = ..., uid: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeploymentSpec(_message.Message):
    __slots__ = ("name", "version", "program", "init_args", "runtime_env", "num_replicas", "autoscaling_config", "resources", "max_ongoing_requests", "max_queued_requests", "user_config", "health_check", "graceful_shutdown_timeout", "startup_timeout", "request_timeout", "labels", "rollout", "application", "max_message_bytes")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    INIT_ARGS_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_ENV_FIELD_NUMBER: _ClassVar[int]
    NUM_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    AUTOSCALING_CONFIG_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    MAX_ONGOING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    USER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    GRACEFUL_SHUTDOWN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    STARTUP_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    program: Program
    init_args: _struct_pb2.Struct
    runtime_env: RuntimeEnv
    num_replicas: int
    autoscaling_config: AutoscalingConfig
    resources: Resources
    max_ongoing_requests: int
    max_queued_requests: int
    user_config: _struct_pb2.Value
    health_check: HealthCheck
    graceful_shutdown_timeout: _duration_pb2.Duration
    startup_timeout: _duration_pb2.Duration
    request_timeout: _duration_pb2.Duration
    labels: _containers.ScalarMap[str, str]
    rollout: Rollout
    application: str
    max_message_bytes: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., program: _Optional[_Union[Program, _Mapping]] = ..., init_args: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., runtime_env: _Optional[_Union[RuntimeEnv, _Mapping]] = ..., num_replicas: _Optional[int] = ..., autoscaling_config: _Optional[_Union[AutoscalingConfig, _Mapping]] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ..., max_ongoing_requests: _Optional[int] = ..., max_queued_requests: _Optional[int] = ..., user_config: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., health_check: _Optional[_Union[HealthCheck, _Mapping]] = ..., graceful_shutdown_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., startup_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., rollout: _Optional[_Union[Rollout, _Mapping]] = ..., application: _Optional[str] = ..., max_message_bytes: _Optional[int] = ...) -> None: ...

class Program(_message.Message):
    __slots__ = ("module", "command")
    MODULE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    module: ModuleProgram
    command: CommandProgram
    def __init__(self, module: _Optional[_Union[ModuleProgram, _Mapping]] = ..., command: _Optional[_Union[CommandProgram, _Mapping]] = ...) -> None: ...

class ModuleProgram(_message.Message):
    __slots__ = ("path", "export_name")
    PATH_FIELD_NUMBER: _ClassVar[int]
    EXPORT_NAME_FIELD_NUMBER: _ClassVar[int]
    path: str
    export_name: str
    def __init__(self, path: _Optional[str] = ..., export_name: _Optional[str] = ...) -> None: ...

class CommandProgram(_message.Message):
    __slots__ = ("argv",)
    ARGV_FIELD_NUMBER: _ClassVar[int]
    argv: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, argv: _Optional[_Iterable[str]] = ...) -> None: ...

class RuntimeEnv(_message.Message):
    __slots__ = ("working_dir", "env_vars", "npm", "pip", "bundle", "lockfile", "image")
    class EnvVarsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKING_DIR_FIELD_NUMBER: _ClassVar[int]
    ENV_VARS_FIELD_NUMBER: _ClassVar[int]
    NPM_FIELD_NUMBER: _ClassVar[int]
    PIP_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    LOCKFILE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    working_dir: str
    env_vars: _containers.ScalarMap[str, str]
    npm: _containers.RepeatedScalarFieldContainer[str]
    pip: _containers.RepeatedScalarFieldContainer[str]
    bundle: str
    lockfile: str
    image: str
    def __init__(self, working_dir: _Optional[str] = ..., env_vars: _Optional[_Mapping[str, str]] = ..., npm: _Optional[_Iterable[str]] = ..., pip: _Optional[_Iterable[str]] = ..., bundle: _Optional[str] = ..., lockfile: _Optional[str] = ..., image: _Optional[str] = ...) -> None: ...

class Resources(_message.Message):
    __slots__ = ("num_cpus", "num_gpus", "memory_bytes", "custom")
    class CustomEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NUM_CPUS_FIELD_NUMBER: _ClassVar[int]
    NUM_GPUS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    num_cpus: float
    num_gpus: float
    memory_bytes: int
    custom: _containers.ScalarMap[str, float]
    def __init__(self, num_cpus: _Optional[float] = ..., num_gpus: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., custom: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Rollout(_message.Message):
    __slots__ = ("max_unavailable_percent", "max_surge_percent", "strategy", "min_ready_time", "progress_deadline", "max_start_failures", "auto_rollback")
    MAX_UNAVAILABLE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    MAX_SURGE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    MIN_READY_TIME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    MAX_START_FAILURES_FIELD_NUMBER: _ClassVar[int]
    AUTO_ROLLBACK_FIELD_NUMBER: _ClassVar[int]
    max_unavailable_percent: int
    max_surge_percent: int
    strategy: RolloutStrategy
    min_ready_time: _duration_pb2.Duration
    progress_deadline: _duration_pb2.Duration
    max_start_failures: int
    auto_rollback: bool
    def __init__(self, max_unavailable_percent: _Optional[int] = ..., max_surge_percent: _Optional[int] = ..., strategy: _Optional[_Union[RolloutStrategy, str]] = ..., min_ready_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., progress_deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_start_failures: _Optional[int] = ..., auto_rollback: bool = ...) -> None: ...

class AutoscalingConfig(_message.Message):
    __slots__ = ("min_replicas", "max_replicas", "initial_replicas", "target_ongoing_requests", "upscale_delay", "downscale_delay", "downscale_to_zero_delay", "upscaling_factor", "downscaling_factor", "look_back_period", "metrics_interval", "aggregation", "burst", "schedules", "buffer_replicas")
    MIN_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    MAX_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    TARGET_ONGOING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    UPSCALE_DELAY_FIELD_NUMBER: _ClassVar[int]
    DOWNSCALE_DELAY_FIELD_NUMBER: _ClassVar[int]
    DOWNSCALE_TO_ZERO_DELAY_FIELD_NUMBER: _ClassVar[int]
    UPSCALING_FACTOR_FIELD_NUMBER: _ClassVar[int]
    DOWNSCALING_FACTOR_FIELD_NUMBER: _ClassVar[int]
    LOOK_BACK_PERIOD_FIELD_NUMBER: _ClassVar[int]
    METRICS_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    SCHEDULES_FIELD_NUMBER: _ClassVar[int]
    BUFFER_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    min_replicas: int
    max_replicas: int
    initial_replicas: int
    target_ongoing_requests: float
    upscale_delay: _duration_pb2.Duration
    downscale_delay: _duration_pb2.Duration
    downscale_to_zero_delay: _duration_pb2.Duration
    upscaling_factor: float
    downscaling_factor: float
    look_back_period: _duration_pb2.Duration
    metrics_interval: _duration_pb2.Duration
    aggregation: Aggregation
    burst: Burst
    schedules: _containers.RepeatedCompositeFieldContainer[ScheduledMinimum]
    buffer_replicas: int
    def __init__(self, min_replicas: _Optional[int] = ..., max_replicas: _Optional[int] = ..., initial_replicas: _Optional[int] = ..., target_ongoing_requests: _Optional[float] = ..., upscale_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., downscale_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., downscale_to_zero_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., upscaling_factor: _Optional[float] = ..., downscaling_factor: _Optional[float] = ..., look_back_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., metrics_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., aggregation: _Optional[_Union[Aggregation, str]] = ..., burst: _Optional[_Union[Burst, _Mapping]] = ..., schedules: _Optional[_Iterable[_Union[ScheduledMinimum, _Mapping]]] = ..., buffer_replicas: _Optional[int] = ...) -> None: ...

class Burst(_message.Message):
    __slots__ = ("window", "threshold", "disabled")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    window: _duration_pb2.Duration
    threshold: float
    disabled: bool
    def __init__(self, window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., threshold: _Optional[float] = ..., disabled: bool = ...) -> None: ...

class ScheduledMinimum(_message.Message):
    __slots__ = ("cron", "time_zone", "min_replicas", "duration")
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    MIN_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    cron: str
    time_zone: str
    min_replicas: int
    duration: _duration_pb2.Duration
    def __init__(self, cron: _Optional[str] = ..., time_zone: _Optional[str] = ..., min_replicas: _Optional[int] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HealthCheck(_message.Message):
    __slots__ = ("period", "timeout", "failure_threshold")
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    period: _duration_pb2.Duration
    timeout: _duration_pb2.Duration
    failure_threshold: int
    def __init__(self, period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., failure_threshold: _Optional[int] = ...) -> None: ...

class DeploymentStatus(_message.Message):
    __slots__ = ("state", "message", "generation", "observed_generation", "revision", "config_generation", "target_replicas", "running_replicas", "updated_replicas", "ongoing_requests", "queued_requests", "reconciling", "paused", "conditions")
    STATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_GENERATION_FIELD_NUMBER: _ClassVar[int]
    TARGET_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    ONGOING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    RECONCILING_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    state: DeploymentState
    message: str
    generation: int
    observed_generation: int
    revision: int
    config_generation: int
    target_replicas: int
    running_replicas: int
    updated_replicas: int
    ongoing_requests: int
    queued_requests: int
    reconciling: bool
    paused: bool
    conditions: _containers.RepeatedCompositeFieldContainer[_facts_pb2.Condition]
    def __init__(self, state: _Optional[_Union[DeploymentState, str]] = ..., message: _Optional[str] = ..., generation: _Optional[int] = ..., observed_generation: _Optional[int] = ..., revision: _Optional[int] = ..., config_generation: _Optional[int] = ..., target_replicas: _Optional[int] = ..., running_replicas: _Optional[int] = ..., updated_replicas: _Optional[int] = ..., ongoing_requests: _Optional[int] = ..., queued_requests: _Optional[int] = ..., reconciling: bool = ..., paused: bool = ..., conditions: _Optional[_Iterable[_Union[_facts_pb2.Condition, _Mapping]]] = ...) -> None: ...

class Replica(_message.Message):
    __slots__ = ("replica_id", "deployment", "revision", "state", "message", "config_generation", "address", "pid", "resources", "gpu_indexes", "ongoing_requests", "completed_total", "failed_total", "create_time", "ready_time", "pending_reason", "departure", "failure", "ending", "killed_after", "node", "models", "max_models", "batches")
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_GENERATION_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    GPU_INDEXES_FIELD_NUMBER: _ClassVar[int]
    ONGOING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    FAILED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    READY_TIME_FIELD_NUMBER: _ClassVar[int]
    PENDING_REASON_FIELD_NUMBER: _ClassVar[int]
    DEPARTURE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ENDING_FIELD_NUMBER: _ClassVar[int]
    KILLED_AFTER_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    MAX_MODELS_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    replica_id: str
    deployment: str
    revision: int
    state: ReplicaState
    message: str
    config_generation: int
    address: str
    pid: int
    resources: Resources
    gpu_indexes: _containers.RepeatedScalarFieldContainer[int]
    ongoing_requests: int
    completed_total: int
    failed_total: int
    create_time: _timestamp_pb2.Timestamp
    ready_time: _timestamp_pb2.Timestamp
    pending_reason: _facts_pb2.PendingReason
    departure: _facts_pb2.Departure
    failure: _facts_pb2.ReplicaFailure
    ending: _facts_pb2.Ending
    killed_after: _duration_pb2.Duration
    node: str
    models: _containers.RepeatedScalarFieldContainer[str]
    max_models: int
    batches: _containers.RepeatedCompositeFieldContainer[_facts_pb2.BatchedMethod]
    def __init__(self, replica_id: _Optional[str] = ..., deployment: _Optional[str] = ..., revision: _Optional[int] = ..., state: _Optional[_Union[ReplicaState, str]] = ..., message: _Optional[str] = ..., config_generation: _Optional[int] = ..., address: _Optional[str] = ..., pid: _Optional[int] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ..., gpu_indexes: _Optional[_Iterable[int]] = ..., ongoing_requests: _Optional[int] = ..., completed_total: _Optional[int] = ..., failed_total: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ready_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pending_reason: _Optional[_Union[_facts_pb2.PendingReason, _Mapping]] = ..., departure: _Optional[_Union[_facts_pb2.Departure, _Mapping]] = ..., failure: _Optional[_Union[_facts_pb2.ReplicaFailure, _Mapping]] = ..., ending: _Optional[_Union[_facts_pb2.Ending, _Mapping]] = ..., killed_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., node: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., max_models: _Optional[int] = ..., batches: _Optional[_Iterable[_Union[_facts_pb2.BatchedMethod, _Mapping]]] = ...) -> None: ...
