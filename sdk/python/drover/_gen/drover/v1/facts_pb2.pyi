import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConditionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONDITION_TYPE_UNSPECIFIED: _ClassVar[ConditionType]
    CONDITION_TYPE_DELETING: _ClassVar[ConditionType]
    CONDITION_TYPE_CONFIG_CHANGING: _ClassVar[ConditionType]
    CONDITION_TYPE_ROLLOUT_PAUSED: _ClassVar[ConditionType]
    CONDITION_TYPE_NO_CAPACITY: _ClassVar[ConditionType]
    CONDITION_TYPE_WAITING_FOR_PACKAGES: _ClassVar[ConditionType]
    CONDITION_TYPE_STARTING: _ClassVar[ConditionType]
    CONDITION_TYPE_STARTS_FAILING: _ClassVar[ConditionType]
    CONDITION_TYPE_ROLLOUT_FAILED: _ClassVar[ConditionType]
    CONDITION_TYPE_ROLLED_BACK: _ClassVar[ConditionType]
    CONDITION_TYPE_REPLICAS_UNSEEN: _ClassVar[ConditionType]

class ConditionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONDITION_REASON_UNSPECIFIED: _ClassVar[ConditionReason]
    CONDITION_REASON_REQUESTED: _ClassVar[ConditionReason]
    CONDITION_REASON_RECONFIGURE: _ClassVar[ConditionReason]
    CONDITION_REASON_WAITING: _ClassVar[ConditionReason]
    CONDITION_REASON_BLOCKED_NO_CAPACITY: _ClassVar[ConditionReason]
    CONDITION_REASON_NEVER_FITS: _ClassVar[ConditionReason]
    CONDITION_REASON_INSTALLING: _ClassVar[ConditionReason]
    CONDITION_REASON_LAUNCHED: _ClassVar[ConditionReason]
    CONDITION_REASON_NOT_SERVING: _ClassVar[ConditionReason]
    CONDITION_REASON_BACKOFF: _ClassVar[ConditionReason]
    CONDITION_REASON_TRYING: _ClassVar[ConditionReason]
    CONDITION_REASON_FAILED_STARTS: _ClassVar[ConditionReason]
    CONDITION_REASON_PROGRESS_DEADLINE: _ClassVar[ConditionReason]
    CONDITION_REASON_EARLIER_VERSION: _ClassVar[ConditionReason]
    CONDITION_REASON_OTHER_NODE: _ClassVar[ConditionReason]

class PendingKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PENDING_KIND_UNSPECIFIED: _ClassVar[PendingKind]
    PENDING_KIND_RESOURCES: _ClassVar[PendingKind]
    PENDING_KIND_NEVER_FITS: _ClassVar[PendingKind]
    PENDING_KIND_TURN: _ClassVar[PendingKind]
    PENDING_KIND_ENGINE: _ClassVar[PendingKind]
    PENDING_KIND_PACKAGES: _ClassVar[PendingKind]
    PENDING_KIND_NOT_SERVING: _ClassVar[PendingKind]

class ResourceKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOURCE_KIND_UNSPECIFIED: _ClassVar[ResourceKind]
    RESOURCE_KIND_CPU: _ClassVar[ResourceKind]
    RESOURCE_KIND_GPU: _ClassVar[ResourceKind]
    RESOURCE_KIND_MEMORY: _ClassVar[ResourceKind]
    RESOURCE_KIND_CUSTOM: _ClassVar[ResourceKind]

class HealthProblemKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEALTH_PROBLEM_KIND_UNSPECIFIED: _ClassVar[HealthProblemKind]
    HEALTH_PROBLEM_KIND_NOTHING_LISTENS: _ClassVar[HealthProblemKind]
    HEALTH_PROBLEM_KIND_NOT_SERVING: _ClassVar[HealthProblemKind]
    HEALTH_PROBLEM_KIND_NO_HEALTH_SERVICE: _ClassVar[HealthProblemKind]
    HEALTH_PROBLEM_KIND_CALL_FAILED: _ClassVar[HealthProblemKind]

class EndingKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENDING_KIND_UNSPECIFIED: _ClassVar[EndingKind]
    ENDING_KIND_EXIT: _ClassVar[EndingKind]
    ENDING_KIND_SIGNAL: _ClassVar[EndingKind]
    ENDING_KIND_FAILED_TO_START: _ClassVar[EndingKind]
    ENDING_KIND_PACKAGES_FAILED: _ClassVar[EndingKind]
    ENDING_KIND_OVER_MEMORY: _ClassVar[EndingKind]
    ENDING_KIND_MACHINE_OUT_OF_MEMORY: _ClassVar[EndingKind]
    ENDING_KIND_HEAP_FULL: _ClassVar[EndingKind]
    ENDING_KIND_NEVER_STARTED: _ClassVar[EndingKind]
    ENDING_KIND_STOPPED_BEFORE_START: _ClassVar[EndingKind]
    ENDING_KIND_UNKNOWN: _ClassVar[EndingKind]

class InstallProblemKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INSTALL_PROBLEM_KIND_UNSPECIFIED: _ClassVar[InstallProblemKind]
    INSTALL_PROBLEM_KIND_TOOL_ENDED: _ClassVar[InstallProblemKind]
    INSTALL_PROBLEM_KIND_TOOL_NOT_FOUND: _ClassVar[InstallProblemKind]
    INSTALL_PROBLEM_KIND_TOOL_NOT_RUN: _ClassVar[InstallProblemKind]
    INSTALL_PROBLEM_KIND_LATE: _ClassVar[InstallProblemKind]
    INSTALL_PROBLEM_KIND_NO_PYTHON: _ClassVar[InstallProblemKind]
    INSTALL_PROBLEM_KIND_UNWANTED: _ClassVar[InstallProblemKind]
    INSTALL_PROBLEM_KIND_SYSTEM: _ClassVar[InstallProblemKind]

class ReplicaFailureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLICA_FAILURE_KIND_UNSPECIFIED: _ClassVar[ReplicaFailureKind]
    REPLICA_FAILURE_KIND_ENDED: _ClassVar[ReplicaFailureKind]
    REPLICA_FAILURE_KIND_STARTUP_TIMEOUT: _ClassVar[ReplicaFailureKind]
    REPLICA_FAILURE_KIND_CONFIG_REFUSED: _ClassVar[ReplicaFailureKind]
    REPLICA_FAILURE_KIND_ANOTHER_REPLICA: _ClassVar[ReplicaFailureKind]
    REPLICA_FAILURE_KIND_UNHEALTHY: _ClassVar[ReplicaFailureKind]
    REPLICA_FAILURE_KIND_SILENT: _ClassVar[ReplicaFailureKind]
    REPLICA_FAILURE_KIND_EARLIER_VERSION: _ClassVar[ReplicaFailureKind]

class ConfigProblemKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONFIG_PROBLEM_KIND_UNSPECIFIED: _ClassVar[ConfigProblemKind]
    CONFIG_PROBLEM_KIND_REFUSED: _ClassVar[ConfigProblemKind]
    CONFIG_PROBLEM_KIND_NO_SERVICE: _ClassVar[ConfigProblemKind]
    CONFIG_PROBLEM_KIND_LATE: _ClassVar[ConfigProblemKind]
    CONFIG_PROBLEM_KIND_FAILED: _ClassVar[ConfigProblemKind]

class ConfigCallProblemKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONFIG_CALL_PROBLEM_KIND_UNSPECIFIED: _ClassVar[ConfigCallProblemKind]
    CONFIG_CALL_PROBLEM_KIND_UNREACHED: _ClassVar[ConfigCallProblemKind]
    CONFIG_CALL_PROBLEM_KIND_NOT_LEADING: _ClassVar[ConfigCallProblemKind]
    CONFIG_CALL_PROBLEM_KIND_CALL_FAILED: _ClassVar[ConfigCallProblemKind]

class RolloutFailureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLLOUT_FAILURE_KIND_UNSPECIFIED: _ClassVar[RolloutFailureKind]
    ROLLOUT_FAILURE_KIND_FAILED_STARTS: _ClassVar[RolloutFailureKind]
    ROLLOUT_FAILURE_KIND_PROGRESS_DEADLINE: _ClassVar[RolloutFailureKind]
    ROLLOUT_FAILURE_KIND_EARLIER_VERSION: _ClassVar[RolloutFailureKind]

class DepartureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPARTURE_KIND_UNSPECIFIED: _ClassVar[DepartureKind]
    DEPARTURE_KIND_SCALED_DOWN: _ClassVar[DepartureKind]
    DEPARTURE_KIND_REPLACED: _ClassVar[DepartureKind]
    DEPARTURE_KIND_REPLACED_FIRST: _ClassVar[DepartureKind]
    DEPARTURE_KIND_DELETED: _ClassVar[DepartureKind]
    DEPARTURE_KIND_FAILING: _ClassVar[DepartureKind]
    DEPARTURE_KIND_UNKNOWN_CONFIG: _ClassVar[DepartureKind]
    DEPARTURE_KIND_NEVER_STARTED: _ClassVar[DepartureKind]
    DEPARTURE_KIND_EARLIER_VERSION: _ClassVar[DepartureKind]

class StoreTroubleKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STORE_TROUBLE_KIND_UNSPECIFIED: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_AWAY: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_EMPTY: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_PASSWORD_MISSING: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_PASSWORD_WRONG: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_NOT_PERMITTED: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_DISK_FAILING: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_MEMORY_FULL: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_READ_ONLY: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_LOADING: _ClassVar[StoreTroubleKind]
    STORE_TROUBLE_KIND_REFUSING: _ClassVar[StoreTroubleKind]
CONDITION_TYPE_UNSPECIFIED: ConditionType
CONDITION_TYPE_DELETING: ConditionType
CONDITION_TYPE_CONFIG_CHANGING: ConditionType
CONDITION_TYPE_ROLLOUT_PAUSED: ConditionType
CONDITION_TYPE_NO_CAPACITY: ConditionType
CONDITION_TYPE_WAITING_FOR_PACKAGES: ConditionType
CONDITION_TYPE_STARTING: ConditionType
CONDITION_TYPE_STARTS_FAILING: ConditionType
CONDITION_TYPE_ROLLOUT_FAILED: ConditionType
CONDITION_TYPE_ROLLED_BACK: ConditionType
CONDITION_TYPE_REPLICAS_UNSEEN: ConditionType
CONDITION_REASON_UNSPECIFIED: ConditionReason
CONDITION_REASON_REQUESTED: ConditionReason
CONDITION_REASON_RECONFIGURE: ConditionReason
CONDITION_REASON_WAITING: ConditionReason
CONDITION_REASON_BLOCKED_NO_CAPACITY: ConditionReason
CONDITION_REASON_NEVER_FITS: ConditionReason
CONDITION_REASON_INSTALLING: ConditionReason
CONDITION_REASON_LAUNCHED: ConditionReason
CONDITION_REASON_NOT_SERVING: ConditionReason
CONDITION_REASON_BACKOFF: ConditionReason
CONDITION_REASON_TRYING: ConditionReason
CONDITION_REASON_FAILED_STARTS: ConditionReason
CONDITION_REASON_PROGRESS_DEADLINE: ConditionReason
CONDITION_REASON_EARLIER_VERSION: ConditionReason
CONDITION_REASON_OTHER_NODE: ConditionReason
PENDING_KIND_UNSPECIFIED: PendingKind
PENDING_KIND_RESOURCES: PendingKind
PENDING_KIND_NEVER_FITS: PendingKind
PENDING_KIND_TURN: PendingKind
PENDING_KIND_ENGINE: PendingKind
PENDING_KIND_PACKAGES: PendingKind
PENDING_KIND_NOT_SERVING: PendingKind
RESOURCE_KIND_UNSPECIFIED: ResourceKind
RESOURCE_KIND_CPU: ResourceKind
RESOURCE_KIND_GPU: ResourceKind
RESOURCE_KIND_MEMORY: ResourceKind
RESOURCE_KIND_CUSTOM: ResourceKind
HEALTH_PROBLEM_KIND_UNSPECIFIED: HealthProblemKind
HEALTH_PROBLEM_KIND_NOTHING_LISTENS: HealthProblemKind
HEALTH_PROBLEM_KIND_NOT_SERVING: HealthProblemKind
HEALTH_PROBLEM_KIND_NO_HEALTH_SERVICE: HealthProblemKind
HEALTH_PROBLEM_KIND_CALL_FAILED: HealthProblemKind
ENDING_KIND_UNSPECIFIED: EndingKind
ENDING_KIND_EXIT: EndingKind
ENDING_KIND_SIGNAL: EndingKind
ENDING_KIND_FAILED_TO_START: EndingKind
ENDING_KIND_PACKAGES_FAILED: EndingKind
ENDING_KIND_OVER_MEMORY: EndingKind
ENDING_KIND_MACHINE_OUT_OF_MEMORY: EndingKind
ENDING_KIND_HEAP_FULL: EndingKind
ENDING_KIND_NEVER_STARTED: EndingKind
ENDING_KIND_STOPPED_BEFORE_START: EndingKind
ENDING_KIND_UNKNOWN: EndingKind
INSTALL_PROBLEM_KIND_UNSPECIFIED: InstallProblemKind
INSTALL_PROBLEM_KIND_TOOL_ENDED: InstallProblemKind
INSTALL_PROBLEM_KIND_TOOL_NOT_FOUND: InstallProblemKind
INSTALL_PROBLEM_KIND_TOOL_NOT_RUN: InstallProblemKind
INSTALL_PROBLEM_KIND_LATE: InstallProblemKind
INSTALL_PROBLEM_KIND_NO_PYTHON: InstallProblemKind
INSTALL_PROBLEM_KIND_UNWANTED: InstallProblemKind
INSTALL_PROBLEM_KIND_SYSTEM: InstallProblemKind
REPLICA_FAILURE_KIND_UNSPECIFIED: ReplicaFailureKind
REPLICA_FAILURE_KIND_ENDED: ReplicaFailureKind
REPLICA_FAILURE_KIND_STARTUP_TIMEOUT: ReplicaFailureKind
REPLICA_FAILURE_KIND_CONFIG_REFUSED: ReplicaFailureKind
REPLICA_FAILURE_KIND_ANOTHER_REPLICA: ReplicaFailureKind
REPLICA_FAILURE_KIND_UNHEALTHY: ReplicaFailureKind
REPLICA_FAILURE_KIND_SILENT: ReplicaFailureKind
REPLICA_FAILURE_KIND_EARLIER_VERSION: ReplicaFailureKind
CONFIG_PROBLEM_KIND_UNSPECIFIED: ConfigProblemKind
CONFIG_PROBLEM_KIND_REFUSED: ConfigProblemKind
CONFIG_PROBLEM_KIND_NO_SERVICE: ConfigProblemKind
CONFIG_PROBLEM_KIND_LATE: ConfigProblemKind
CONFIG_PROBLEM_KIND_FAILED: ConfigProblemKind
CONFIG_CALL_PROBLEM_KIND_UNSPECIFIED: ConfigCallProblemKind
CONFIG_CALL_PROBLEM_KIND_UNREACHED: ConfigCallProblemKind
CONFIG_CALL_PROBLEM_KIND_NOT_LEADING: ConfigCallProblemKind
CONFIG_CALL_PROBLEM_KIND_CALL_FAILED: ConfigCallProblemKind
ROLLOUT_FAILURE_KIND_UNSPECIFIED: RolloutFailureKind
ROLLOUT_FAILURE_KIND_FAILED_STARTS: RolloutFailureKind
ROLLOUT_FAILURE_KIND_PROGRESS_DEADLINE: RolloutFailureKind
ROLLOUT_FAILURE_KIND_EARLIER_VERSION: RolloutFailureKind
DEPARTURE_KIND_UNSPECIFIED: DepartureKind
DEPARTURE_KIND_SCALED_DOWN: DepartureKind
DEPARTURE_KIND_REPLACED: DepartureKind
DEPARTURE_KIND_REPLACED_FIRST: DepartureKind
DEPARTURE_KIND_DELETED: DepartureKind
DEPARTURE_KIND_FAILING: DepartureKind
DEPARTURE_KIND_UNKNOWN_CONFIG: DepartureKind
DEPARTURE_KIND_NEVER_STARTED: DepartureKind
DEPARTURE_KIND_EARLIER_VERSION: DepartureKind
STORE_TROUBLE_KIND_UNSPECIFIED: StoreTroubleKind
STORE_TROUBLE_KIND_AWAY: StoreTroubleKind
STORE_TROUBLE_KIND_EMPTY: StoreTroubleKind
STORE_TROUBLE_KIND_PASSWORD_MISSING: StoreTroubleKind
STORE_TROUBLE_KIND_PASSWORD_WRONG: StoreTroubleKind
STORE_TROUBLE_KIND_NOT_PERMITTED: StoreTroubleKind
STORE_TROUBLE_KIND_DISK_FAILING: StoreTroubleKind
STORE_TROUBLE_KIND_MEMORY_FULL: StoreTroubleKind
STORE_TROUBLE_KIND_READ_ONLY: StoreTroubleKind
STORE_TROUBLE_KIND_LOADING: StoreTroubleKind
STORE_TROUBLE_KIND_REFUSING: StoreTroubleKind

class Condition(_message.Message):
    __slots__ = ("type", "reason", "message", "since", "replicas_left", "replica_id", "more_replicas", "pending_reason", "revision", "to_revision", "failed_starts", "retry_time", "last_failure", "rollout_failure", "node")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_LEFT_FIELD_NUMBER: _ClassVar[int]
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    MORE_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    PENDING_REASON_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TO_REVISION_FIELD_NUMBER: _ClassVar[int]
    FAILED_STARTS_FIELD_NUMBER: _ClassVar[int]
    RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    ROLLOUT_FAILURE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    type: ConditionType
    reason: ConditionReason
    message: str
    since: _timestamp_pb2.Timestamp
    replicas_left: int
    replica_id: str
    more_replicas: int
    pending_reason: PendingReason
    revision: int
    to_revision: int
    failed_starts: int
    retry_time: _timestamp_pb2.Timestamp
    last_failure: StartFailure
    rollout_failure: RolloutFailure
    node: str
    def __init__(self, type: _Optional[_Union[ConditionType, str]] = ..., reason: _Optional[_Union[ConditionReason, str]] = ..., message: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replicas_left: _Optional[int] = ..., replica_id: _Optional[str] = ..., more_replicas: _Optional[int] = ..., pending_reason: _Optional[_Union[PendingReason, _Mapping]] = ..., revision: _Optional[int] = ..., to_revision: _Optional[int] = ..., failed_starts: _Optional[int] = ..., retry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_failure: _Optional[_Union[StartFailure, _Mapping]] = ..., rollout_failure: _Optional[_Union[RolloutFailure, _Mapping]] = ..., node: _Optional[str] = ...) -> None: ...

class PendingReason(_message.Message):
    __slots__ = ("kind", "shortages", "kept_for_replica_id", "engine_reason", "packages", "health_problem", "lockfile")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SHORTAGES_FIELD_NUMBER: _ClassVar[int]
    KEPT_FOR_REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    ENGINE_REASON_FIELD_NUMBER: _ClassVar[int]
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    HEALTH_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    LOCKFILE_FIELD_NUMBER: _ClassVar[int]
    kind: PendingKind
    shortages: _containers.RepeatedCompositeFieldContainer[Shortage]
    kept_for_replica_id: str
    engine_reason: str
    packages: int
    health_problem: HealthProblem
    lockfile: str
    def __init__(self, kind: _Optional[_Union[PendingKind, str]] = ..., shortages: _Optional[_Iterable[_Union[Shortage, _Mapping]]] = ..., kept_for_replica_id: _Optional[str] = ..., engine_reason: _Optional[str] = ..., packages: _Optional[int] = ..., health_problem: _Optional[_Union[HealthProblem, _Mapping]] = ..., lockfile: _Optional[str] = ...) -> None: ...

class Shortage(_message.Message):
    __slots__ = ("resource", "name", "wanted", "free", "total")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    resource: ResourceKind
    name: str
    wanted: float
    free: float
    total: float
    def __init__(self, resource: _Optional[_Union[ResourceKind, str]] = ..., name: _Optional[str] = ..., wanted: _Optional[float] = ..., free: _Optional[float] = ..., total: _Optional[float] = ...) -> None: ...

class HealthProblem(_message.Message):
    __slots__ = ("kind", "code", "message")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    kind: HealthProblemKind
    code: int
    message: str
    def __init__(self, kind: _Optional[_Union[HealthProblemKind, str]] = ..., code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class Ending(_message.Message):
    __slots__ = ("kind", "exit_code", "signal", "cause", "install_problem", "free_bytes", "used_bytes", "bound_bytes")
    KIND_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    INSTALL_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    BOUND_BYTES_FIELD_NUMBER: _ClassVar[int]
    kind: EndingKind
    exit_code: int
    signal: str
    cause: str
    install_problem: InstallProblem
    free_bytes: int
    used_bytes: int
    bound_bytes: int
    def __init__(self, kind: _Optional[_Union[EndingKind, str]] = ..., exit_code: _Optional[int] = ..., signal: _Optional[str] = ..., cause: _Optional[str] = ..., install_problem: _Optional[_Union[InstallProblem, _Mapping]] = ..., free_bytes: _Optional[int] = ..., used_bytes: _Optional[int] = ..., bound_bytes: _Optional[int] = ...) -> None: ...

class InstallProblem(_message.Message):
    __slots__ = ("kind", "tool", "exit_code", "signal", "within", "cause")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    kind: InstallProblemKind
    tool: str
    exit_code: int
    signal: str
    within: _duration_pb2.Duration
    cause: str
    def __init__(self, kind: _Optional[_Union[InstallProblemKind, str]] = ..., tool: _Optional[str] = ..., exit_code: _Optional[int] = ..., signal: _Optional[str] = ..., within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cause: _Optional[str] = ...) -> None: ...

class ReplicaFailure(_message.Message):
    __slots__ = ("kind", "ending", "served", "startup_timeout", "health_problem", "failed_checks", "config_problem", "other_replica_id", "text", "last_lines")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ENDING_FIELD_NUMBER: _ClassVar[int]
    SERVED_FIELD_NUMBER: _ClassVar[int]
    STARTUP_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    FAILED_CHECKS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    OTHER_REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LAST_LINES_FIELD_NUMBER: _ClassVar[int]
    kind: ReplicaFailureKind
    ending: Ending
    served: bool
    startup_timeout: _duration_pb2.Duration
    health_problem: HealthProblem
    failed_checks: int
    config_problem: ConfigProblem
    other_replica_id: str
    text: str
    last_lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kind: _Optional[_Union[ReplicaFailureKind, str]] = ..., ending: _Optional[_Union[Ending, _Mapping]] = ..., served: bool = ..., startup_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., health_problem: _Optional[_Union[HealthProblem, _Mapping]] = ..., failed_checks: _Optional[int] = ..., config_problem: _Optional[_Union[ConfigProblem, _Mapping]] = ..., other_replica_id: _Optional[str] = ..., text: _Optional[str] = ..., last_lines: _Optional[_Iterable[str]] = ...) -> None: ...

class ConfigProblem(_message.Message):
    __slots__ = ("kind", "message", "violations", "within", "last_call", "failure")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    LAST_CALL_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    kind: ConfigProblemKind
    message: str
    violations: _containers.RepeatedCompositeFieldContainer[ConfigViolation]
    within: _duration_pb2.Duration
    last_call: ConfigCallProblem
    failure: ReplicaFailure
    def __init__(self, kind: _Optional[_Union[ConfigProblemKind, str]] = ..., message: _Optional[str] = ..., violations: _Optional[_Iterable[_Union[ConfigViolation, _Mapping]]] = ..., within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., last_call: _Optional[_Union[ConfigCallProblem, _Mapping]] = ..., failure: _Optional[_Union[ReplicaFailure, _Mapping]] = ...) -> None: ...

class ConfigViolation(_message.Message):
    __slots__ = ("field", "description")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class ConfigCallProblem(_message.Message):
    __slots__ = ("kind", "code", "message")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    kind: ConfigCallProblemKind
    code: int
    message: str
    def __init__(self, kind: _Optional[_Union[ConfigCallProblemKind, str]] = ..., code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class StartFailure(_message.Message):
    __slots__ = ("replica_id", "revision", "failure")
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    replica_id: str
    revision: int
    failure: ReplicaFailure
    def __init__(self, replica_id: _Optional[str] = ..., revision: _Optional[int] = ..., failure: _Optional[_Union[ReplicaFailure, _Mapping]] = ...) -> None: ...

class RolloutFailure(_message.Message):
    __slots__ = ("kind", "failed_starts", "progress_deadline", "last_failure", "waiting_replica_id", "pending_reason", "text")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FAILED_STARTS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    WAITING_REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    PENDING_REASON_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: RolloutFailureKind
    failed_starts: int
    progress_deadline: _duration_pb2.Duration
    last_failure: StartFailure
    waiting_replica_id: str
    pending_reason: PendingReason
    text: str
    def __init__(self, kind: _Optional[_Union[RolloutFailureKind, str]] = ..., failed_starts: _Optional[int] = ..., progress_deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., last_failure: _Optional[_Union[StartFailure, _Mapping]] = ..., waiting_replica_id: _Optional[str] = ..., pending_reason: _Optional[_Union[PendingReason, _Mapping]] = ..., text: _Optional[str] = ...) -> None: ...

class Departure(_message.Message):
    __slots__ = ("kind", "by_revision", "config_problem", "text")
    KIND_FIELD_NUMBER: _ClassVar[int]
    BY_REVISION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: DepartureKind
    by_revision: int
    config_problem: ConfigProblem
    text: str
    def __init__(self, kind: _Optional[_Union[DepartureKind, str]] = ..., by_revision: _Optional[int] = ..., config_problem: _Optional[_Union[ConfigProblem, _Mapping]] = ..., text: _Optional[str] = ...) -> None: ...

class StoreTrouble(_message.Message):
    __slots__ = ("kind", "message")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    kind: StoreTroubleKind
    message: str
    def __init__(self, kind: _Optional[_Union[StoreTroubleKind, str]] = ..., message: _Optional[str] = ...) -> None: ...

class BatchedMethod(_message.Message):
    __slots__ = ("method", "batches_total", "items_total", "wait_seconds_total")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    BATCHES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ITEMS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    method: str
    batches_total: int
    items_total: int
    wait_seconds_total: float
    def __init__(self, method: _Optional[str] = ..., batches_total: _Optional[int] = ..., items_total: _Optional[int] = ..., wait_seconds_total: _Optional[float] = ...) -> None: ...
