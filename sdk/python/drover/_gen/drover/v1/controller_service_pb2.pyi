import datetime

from drover._gen.drover.v1 import bundle_pb2 as _bundle_pb2
from drover._gen.drover.v1 import deployment_pb2 as _deployment_pb2
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

class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_UNSPECIFIED: _ClassVar[Effect]
    EFFECT_NONE: _ClassVar[Effect]
    EFFECT_LIVE: _ClassVar[Effect]
    EFFECT_RECONFIGURE: _ClassVar[Effect]
    EFFECT_ROLLOUT: _ClassVar[Effect]

class ReconfigureOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECONFIGURE_OUTCOME_UNSPECIFIED: _ClassVar[ReconfigureOutcome]
    RECONFIGURE_OUTCOME_ACCEPTED: _ClassVar[ReconfigureOutcome]
    RECONFIGURE_OUTCOME_APPLIED: _ClassVar[ReconfigureOutcome]
    RECONFIGURE_OUTCOME_REFUSED: _ClassVar[ReconfigureOutcome]
    RECONFIGURE_OUTCOME_REVERTED: _ClassVar[ReconfigureOutcome]
    RECONFIGURE_OUTCOME_REPLACED: _ClassVar[ReconfigureOutcome]

class DecisionSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_SOURCE_UNSPECIFIED: _ClassVar[DecisionSource]
    DECISION_SOURCE_ROLLOUT: _ClassVar[DecisionSource]
    DECISION_SOURCE_AUTOSCALER: _ClassVar[DecisionSource]

class LogStream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_STREAM_UNSPECIFIED: _ClassVar[LogStream]
    LOG_STREAM_STDOUT: _ClassVar[LogStream]
    LOG_STREAM_STDERR: _ClassVar[LogStream]
EFFECT_UNSPECIFIED: Effect
EFFECT_NONE: Effect
EFFECT_LIVE: Effect
EFFECT_RECONFIGURE: Effect
EFFECT_ROLLOUT: Effect
RECONFIGURE_OUTCOME_UNSPECIFIED: ReconfigureOutcome
RECONFIGURE_OUTCOME_ACCEPTED: ReconfigureOutcome
RECONFIGURE_OUTCOME_APPLIED: ReconfigureOutcome
RECONFIGURE_OUTCOME_REFUSED: ReconfigureOutcome
RECONFIGURE_OUTCOME_REVERTED: ReconfigureOutcome
RECONFIGURE_OUTCOME_REPLACED: ReconfigureOutcome
DECISION_SOURCE_UNSPECIFIED: DecisionSource
DECISION_SOURCE_ROLLOUT: DecisionSource
DECISION_SOURCE_AUTOSCALER: DecisionSource
LOG_STREAM_UNSPECIFIED: LogStream
LOG_STREAM_STDOUT: LogStream
LOG_STREAM_STDERR: LogStream

class DeployRequest(_message.Message):
    __slots__ = ("spec", "request_id", "expected_generation", "uid", "validate_only", "redeploy")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REDEPLOY_FIELD_NUMBER: _ClassVar[int]
    spec: _deployment_pb2.DeploymentSpec
    request_id: str
    expected_generation: int
    uid: str
    validate_only: bool
    redeploy: bool
    def __init__(self, spec: _Optional[_Union[_deployment_pb2.DeploymentSpec, _Mapping]] = ..., request_id: _Optional[str] = ..., expected_generation: _Optional[int] = ..., uid: _Optional[str] = ..., validate_only: bool = ..., redeploy: bool = ...) -> None: ...

class FieldChange(_message.Message):
    __slots__ = ("field", "effect", "before", "after")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    field: str
    effect: Effect
    before: str
    after: str
    def __init__(self, field: _Optional[str] = ..., effect: _Optional[_Union[Effect, str]] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class DeployResponse(_message.Message):
    __slots__ = ("deployment", "effect", "changes", "replicas")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    deployment: _deployment_pb2.Deployment
    effect: Effect
    changes: _containers.RepeatedCompositeFieldContainer[FieldChange]
    replicas: _containers.RepeatedCompositeFieldContainer[ReconfiguredReplica]
    def __init__(self, deployment: _Optional[_Union[_deployment_pb2.Deployment, _Mapping]] = ..., effect: _Optional[_Union[Effect, str]] = ..., changes: _Optional[_Iterable[_Union[FieldChange, _Mapping]]] = ..., replicas: _Optional[_Iterable[_Union[ReconfiguredReplica, _Mapping]]] = ...) -> None: ...

class ApplyRequest(_message.Message):
    __slots__ = ("specs", "request_id", "expected_generations", "validate_only", "prune", "application", "redeploy")
    class ExpectedGenerationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SPECS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    REDEPLOY_FIELD_NUMBER: _ClassVar[int]
    specs: _containers.RepeatedCompositeFieldContainer[_deployment_pb2.DeploymentSpec]
    request_id: str
    expected_generations: _containers.ScalarMap[str, int]
    validate_only: bool
    prune: bool
    application: str
    redeploy: bool
    def __init__(self, specs: _Optional[_Iterable[_Union[_deployment_pb2.DeploymentSpec, _Mapping]]] = ..., request_id: _Optional[str] = ..., expected_generations: _Optional[_Mapping[str, int]] = ..., validate_only: bool = ..., prune: bool = ..., application: _Optional[str] = ..., redeploy: bool = ...) -> None: ...

class ApplyResponse(_message.Message):
    __slots__ = ("results", "pruned")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    PRUNED_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DeployResponse]
    pruned: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, results: _Optional[_Iterable[_Union[DeployResponse, _Mapping]]] = ..., pruned: _Optional[_Iterable[str]] = ...) -> None: ...

class GetDeploymentRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetDeploymentResponse(_message.Message):
    __slots__ = ("deployment",)
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    deployment: _deployment_pb2.Deployment
    def __init__(self, deployment: _Optional[_Union[_deployment_pb2.Deployment, _Mapping]] = ...) -> None: ...

class ListDeploymentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "application")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    application: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., application: _Optional[str] = ...) -> None: ...

class ListDeploymentsResponse(_message.Message):
    __slots__ = ("deployments", "next_page_token")
    DEPLOYMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    deployments: _containers.RepeatedCompositeFieldContainer[_deployment_pb2.Deployment]
    next_page_token: str
    def __init__(self, deployments: _Optional[_Iterable[_Union[_deployment_pb2.Deployment, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteDeploymentRequest(_message.Message):
    __slots__ = ("name", "request_id", "expected_generation", "uid", "allow_missing")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    expected_generation: int
    uid: str
    allow_missing: bool
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., expected_generation: _Optional[int] = ..., uid: _Optional[str] = ..., allow_missing: bool = ...) -> None: ...

class DeleteDeploymentResponse(_message.Message):
    __slots__ = ("deployment",)
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    deployment: _deployment_pb2.Deployment
    def __init__(self, deployment: _Optional[_Union[_deployment_pb2.Deployment, _Mapping]] = ...) -> None: ...

class WatchDeploymentsRequest(_message.Message):
    __slots__ = ("names", "resume_position")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    RESUME_POSITION_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    resume_position: int
    def __init__(self, names: _Optional[_Iterable[str]] = ..., resume_position: _Optional[int] = ...) -> None: ...

class WatchDeploymentsResponse(_message.Message):
    __slots__ = ("deployment_updated", "deployment_deleted", "synced", "position")
    DEPLOYMENT_UPDATED_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_DELETED_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    deployment_updated: _deployment_pb2.Deployment
    deployment_deleted: str
    synced: Synced
    position: int
    def __init__(self, deployment_updated: _Optional[_Union[_deployment_pb2.Deployment, _Mapping]] = ..., deployment_deleted: _Optional[str] = ..., synced: _Optional[_Union[Synced, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class Synced(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ScaleRequest(_message.Message):
    __slots__ = ("name", "request_id", "expected_generation", "uid", "num_replicas")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    NUM_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    expected_generation: int
    uid: str
    num_replicas: int
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., expected_generation: _Optional[int] = ..., uid: _Optional[str] = ..., num_replicas: _Optional[int] = ...) -> None: ...

class ScaleResponse(_message.Message):
    __slots__ = ("deployment",)
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    deployment: _deployment_pb2.Deployment
    def __init__(self, deployment: _Optional[_Union[_deployment_pb2.Deployment, _Mapping]] = ...) -> None: ...

class ReconfigureRequest(_message.Message):
    __slots__ = ("name", "request_id", "expected_generation", "uid", "validate_only", "user_config", "to_generation")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    USER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TO_GENERATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    expected_generation: int
    uid: str
    validate_only: bool
    user_config: _struct_pb2.Value
    to_generation: int
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., expected_generation: _Optional[int] = ..., uid: _Optional[str] = ..., validate_only: bool = ..., user_config: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., to_generation: _Optional[int] = ...) -> None: ...

class ReconfigureResponse(_message.Message):
    __slots__ = ("deployment", "config_generation", "replicas")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    CONFIG_GENERATION_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    deployment: _deployment_pb2.Deployment
    config_generation: int
    replicas: _containers.RepeatedCompositeFieldContainer[ReconfiguredReplica]
    def __init__(self, deployment: _Optional[_Union[_deployment_pb2.Deployment, _Mapping]] = ..., config_generation: _Optional[int] = ..., replicas: _Optional[_Iterable[_Union[ReconfiguredReplica, _Mapping]]] = ...) -> None: ...

class ReconfiguredReplica(_message.Message):
    __slots__ = ("replica_id", "outcome", "message", "problem", "revert_problem")
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    REVERT_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    replica_id: str
    outcome: ReconfigureOutcome
    message: str
    problem: _facts_pb2.ConfigProblem
    revert_problem: _facts_pb2.ConfigProblem
    def __init__(self, replica_id: _Optional[str] = ..., outcome: _Optional[_Union[ReconfigureOutcome, str]] = ..., message: _Optional[str] = ..., problem: _Optional[_Union[_facts_pb2.ConfigProblem, _Mapping]] = ..., revert_problem: _Optional[_Union[_facts_pb2.ConfigProblem, _Mapping]] = ...) -> None: ...

class ListConfigsRequest(_message.Message):
    __slots__ = ("name", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConfigsResponse(_message.Message):
    __slots__ = ("configs", "next_page_token")
    CONFIGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    configs: _containers.RepeatedCompositeFieldContainer[Config]
    next_page_token: str
    def __init__(self, configs: _Optional[_Iterable[_Union[Config, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Config(_message.Message):
    __slots__ = ("config_generation", "user_config", "max_ongoing_requests", "revision", "commit_time", "author", "current")
    CONFIG_GENERATION_FIELD_NUMBER: _ClassVar[int]
    USER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    MAX_ONGOING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    config_generation: int
    user_config: _struct_pb2.Value
    max_ongoing_requests: int
    revision: int
    commit_time: _timestamp_pb2.Timestamp
    author: str
    current: bool
    def __init__(self, config_generation: _Optional[int] = ..., user_config: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., max_ongoing_requests: _Optional[int] = ..., revision: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., author: _Optional[str] = ..., current: bool = ...) -> None: ...

class ListRevisionsRequest(_message.Message):
    __slots__ = ("name", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRevisionsResponse(_message.Message):
    __slots__ = ("revisions", "next_page_token")
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[Revision]
    next_page_token: str
    def __init__(self, revisions: _Optional[_Iterable[_Union[Revision, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("revision", "spec", "create_time", "current", "was_healthy", "running_replicas")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    WAS_HEALTHY_FIELD_NUMBER: _ClassVar[int]
    RUNNING_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    spec: _deployment_pb2.DeploymentSpec
    create_time: _timestamp_pb2.Timestamp
    current: bool
    was_healthy: bool
    running_replicas: int
    def __init__(self, revision: _Optional[int] = ..., spec: _Optional[_Union[_deployment_pb2.DeploymentSpec, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., current: bool = ..., was_healthy: bool = ..., running_replicas: _Optional[int] = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ("name", "request_id", "expected_generation", "uid", "revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    expected_generation: int
    uid: str
    revision: int
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., expected_generation: _Optional[int] = ..., uid: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class RollbackResponse(_message.Message):
    __slots__ = ("deployment",)
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    deployment: _deployment_pb2.Deployment
    def __init__(self, deployment: _Optional[_Union[_deployment_pb2.Deployment, _Mapping]] = ...) -> None: ...

class PauseRolloutRequest(_message.Message):
    __slots__ = ("name", "request_id", "expected_generation", "uid")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    expected_generation: int
    uid: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., expected_generation: _Optional[int] = ..., uid: _Optional[str] = ...) -> None: ...

class PauseRolloutResponse(_message.Message):
    __slots__ = ("deployment",)
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    deployment: _deployment_pb2.Deployment
    def __init__(self, deployment: _Optional[_Union[_deployment_pb2.Deployment, _Mapping]] = ...) -> None: ...

class ResumeRolloutRequest(_message.Message):
    __slots__ = ("name", "request_id", "expected_generation", "uid")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    expected_generation: int
    uid: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., expected_generation: _Optional[int] = ..., uid: _Optional[str] = ...) -> None: ...

class ResumeRolloutResponse(_message.Message):
    __slots__ = ("deployment",)
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    deployment: _deployment_pb2.Deployment
    def __init__(self, deployment: _Optional[_Union[_deployment_pb2.Deployment, _Mapping]] = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("name", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("decisions", "next_page_token")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    next_page_token: str
    def __init__(self, decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchDecisionsRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchDecisionsResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("deployment", "number", "decide_time", "source", "summary", "bound", "inputs", "rules")
    class InputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    number: int
    decide_time: _timestamp_pb2.Timestamp
    source: DecisionSource
    summary: str
    bound: str
    inputs: _containers.ScalarMap[str, float]
    rules: _containers.RepeatedCompositeFieldContainer[DecisionRule]
    def __init__(self, deployment: _Optional[str] = ..., number: _Optional[int] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source: _Optional[_Union[DecisionSource, str]] = ..., summary: _Optional[str] = ..., bound: _Optional[str] = ..., inputs: _Optional[_Mapping[str, float]] = ..., rules: _Optional[_Iterable[_Union[DecisionRule, _Mapping]]] = ...) -> None: ...

class DecisionRule(_message.Message):
    __slots__ = ("name", "value", "meaning")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    meaning: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., meaning: _Optional[str] = ...) -> None: ...

class SimulateAutoscalingRequest(_message.Message):
    __slots__ = ("autoscaling_config", "samples", "startup_delay")
    AUTOSCALING_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    STARTUP_DELAY_FIELD_NUMBER: _ClassVar[int]
    autoscaling_config: _deployment_pb2.AutoscalingConfig
    samples: _containers.RepeatedCompositeFieldContainer[LoadSample]
    startup_delay: _duration_pb2.Duration
    def __init__(self, autoscaling_config: _Optional[_Union[_deployment_pb2.AutoscalingConfig, _Mapping]] = ..., samples: _Optional[_Iterable[_Union[LoadSample, _Mapping]]] = ..., startup_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class LoadSample(_message.Message):
    __slots__ = ("time", "total_requests")
    TIME_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    total_requests: float
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., total_requests: _Optional[float] = ...) -> None: ...

class SimulateAutoscalingResponse(_message.Message):
    __slots__ = ("points", "replica_hours", "short_of_capacity", "changes")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    REPLICA_HOURS_FIELD_NUMBER: _ClassVar[int]
    SHORT_OF_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[SimulatedPoint]
    replica_hours: float
    short_of_capacity: _duration_pb2.Duration
    changes: int
    def __init__(self, points: _Optional[_Iterable[_Union[SimulatedPoint, _Mapping]]] = ..., replica_hours: _Optional[float] = ..., short_of_capacity: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., changes: _Optional[int] = ...) -> None: ...

class SimulatedPoint(_message.Message):
    __slots__ = ("time", "desired", "running", "total_requests", "why")
    TIME_FIELD_NUMBER: _ClassVar[int]
    DESIRED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    desired: int
    running: int
    total_requests: float
    why: str
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., desired: _Optional[int] = ..., running: _Optional[int] = ..., total_requests: _Optional[float] = ..., why: _Optional[str] = ...) -> None: ...

class ListReplicasRequest(_message.Message):
    __slots__ = ("deployment", "page_size", "page_token")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    page_size: int
    page_token: str
    def __init__(self, deployment: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListReplicasResponse(_message.Message):
    __slots__ = ("replicas", "next_page_token")
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    replicas: _containers.RepeatedCompositeFieldContainer[_deployment_pb2.Replica]
    next_page_token: str
    def __init__(self, replicas: _Optional[_Iterable[_Union[_deployment_pb2.Replica, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchLogsRequest(_message.Message):
    __slots__ = ("name", "replica_id", "tail_lines", "follow")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    TAIL_LINES_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    name: str
    replica_id: str
    tail_lines: int
    follow: bool
    def __init__(self, name: _Optional[str] = ..., replica_id: _Optional[str] = ..., tail_lines: _Optional[int] = ..., follow: bool = ...) -> None: ...

class WatchLogsResponse(_message.Message):
    __slots__ = ("replica_id", "stream", "line", "write_time")
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    WRITE_TIME_FIELD_NUMBER: _ClassVar[int]
    replica_id: str
    stream: LogStream
    line: str
    write_time: _timestamp_pb2.Timestamp
    def __init__(self, replica_id: _Optional[str] = ..., stream: _Optional[_Union[LogStream, str]] = ..., line: _Optional[str] = ..., write_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FindMissingFilesRequest(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sha256: _Optional[_Iterable[str]] = ...) -> None: ...

class FindMissingFilesResponse(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sha256: _Optional[_Iterable[str]] = ...) -> None: ...

class UploadFilesRequest(_message.Message):
    __slots__ = ("sha256", "size", "data")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    size: int
    data: bytes
    def __init__(self, sha256: _Optional[str] = ..., size: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class UploadFilesResponse(_message.Message):
    __slots__ = ("files", "bytes")
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    files: int
    bytes: int
    def __init__(self, files: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class CreateBundleRequest(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[_bundle_pb2.BundleFile]
    def __init__(self, files: _Optional[_Iterable[_Union[_bundle_pb2.BundleFile, _Mapping]]] = ...) -> None: ...

class CreateBundleResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    def __init__(self, bundle: _Optional[str] = ...) -> None: ...

class DownloadBundleRequest(_message.Message):
    __slots__ = ("bundle", "path", "list_only")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    LIST_ONLY_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    path: str
    list_only: bool
    def __init__(self, bundle: _Optional[str] = ..., path: _Optional[str] = ..., list_only: bool = ...) -> None: ...

class DownloadBundleResponse(_message.Message):
    __slots__ = ("file", "data")
    FILE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    file: _bundle_pb2.BundleFile
    data: bytes
    def __init__(self, file: _Optional[_Union[_bundle_pb2.BundleFile, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class GetClusterRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetClusterResponse(_message.Message):
    __slots__ = ("capacity", "allocated", "pending", "controllers", "position", "deployments", "memory_limit", "store_trouble", "unseen_nodes", "max_message_bytes", "bundle_bounds")
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    ALLOCATED_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENTS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    STORE_TROUBLE_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_NODES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_BOUNDS_FIELD_NUMBER: _ClassVar[int]
    capacity: _deployment_pb2.Resources
    allocated: _deployment_pb2.Resources
    pending: _containers.RepeatedCompositeFieldContainer[PendingReplica]
    controllers: _containers.RepeatedCompositeFieldContainer[Controller]
    position: int
    deployments: _containers.RepeatedCompositeFieldContainer[DeploymentAllocation]
    memory_limit: str
    store_trouble: _facts_pb2.StoreTrouble
    unseen_nodes: _containers.RepeatedCompositeFieldContainer[UnseenNode]
    max_message_bytes: int
    bundle_bounds: _bundle_pb2.BundleBounds
    def __init__(self, capacity: _Optional[_Union[_deployment_pb2.Resources, _Mapping]] = ..., allocated: _Optional[_Union[_deployment_pb2.Resources, _Mapping]] = ..., pending: _Optional[_Iterable[_Union[PendingReplica, _Mapping]]] = ..., controllers: _Optional[_Iterable[_Union[Controller, _Mapping]]] = ..., position: _Optional[int] = ..., deployments: _Optional[_Iterable[_Union[DeploymentAllocation, _Mapping]]] = ..., memory_limit: _Optional[str] = ..., store_trouble: _Optional[_Union[_facts_pb2.StoreTrouble, _Mapping]] = ..., unseen_nodes: _Optional[_Iterable[_Union[UnseenNode, _Mapping]]] = ..., max_message_bytes: _Optional[int] = ..., bundle_bounds: _Optional[_Union[_bundle_pb2.BundleBounds, _Mapping]] = ...) -> None: ...

class WatchEndpointsRequest(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchEndpointsResponse(_message.Message):
    __slots__ = ("deployment", "exists", "endpoints", "max_ongoing_requests", "max_message_bytes", "request_timeout")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    MAX_ONGOING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    exists: bool
    endpoints: _containers.RepeatedCompositeFieldContainer[Endpoint]
    max_ongoing_requests: int
    max_message_bytes: int
    request_timeout: _duration_pb2.Duration
    def __init__(self, deployment: _Optional[str] = ..., exists: bool = ..., endpoints: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ..., max_ongoing_requests: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., request_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("replica_id", "address", "invocable", "models", "max_models")
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    INVOCABLE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    MAX_MODELS_FIELD_NUMBER: _ClassVar[int]
    replica_id: str
    address: str
    invocable: bool
    models: _containers.RepeatedScalarFieldContainer[str]
    max_models: int
    def __init__(self, replica_id: _Optional[str] = ..., address: _Optional[str] = ..., invocable: bool = ..., models: _Optional[_Iterable[str]] = ..., max_models: _Optional[int] = ...) -> None: ...

class UnseenNode(_message.Message):
    __slots__ = ("node", "replicas")
    NODE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    node: str
    replicas: int
    def __init__(self, node: _Optional[str] = ..., replicas: _Optional[int] = ...) -> None: ...

class DeploymentAllocation(_message.Message):
    __slots__ = ("deployment", "replicas", "allocated")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    ALLOCATED_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    replicas: int
    allocated: _deployment_pb2.Resources
    def __init__(self, deployment: _Optional[str] = ..., replicas: _Optional[int] = ..., allocated: _Optional[_Union[_deployment_pb2.Resources, _Mapping]] = ...) -> None: ...

class PendingReplica(_message.Message):
    __slots__ = ("replica_id", "deployment", "resources", "message", "pending_reason")
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PENDING_REASON_FIELD_NUMBER: _ClassVar[int]
    replica_id: str
    deployment: str
    resources: _deployment_pb2.Resources
    message: str
    pending_reason: _facts_pb2.PendingReason
    def __init__(self, replica_id: _Optional[str] = ..., deployment: _Optional[str] = ..., resources: _Optional[_Union[_deployment_pb2.Resources, _Mapping]] = ..., message: _Optional[str] = ..., pending_reason: _Optional[_Union[_facts_pb2.PendingReason, _Mapping]] = ...) -> None: ...

class Controller(_message.Message):
    __slots__ = ("controller_id", "leader", "epoch", "start_time")
    CONTROLLER_ID_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    controller_id: str
    leader: bool
    epoch: int
    start_time: _timestamp_pb2.Timestamp
    def __init__(self, controller_id: _Optional[str] = ..., leader: bool = ..., epoch: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReconfigureFailure(_message.Message):
    __slots__ = ("replicas", "replicas_left_out")
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    replicas: _containers.RepeatedCompositeFieldContainer[ReconfiguredReplica]
    replicas_left_out: int
    def __init__(self, replicas: _Optional[_Iterable[_Union[ReconfiguredReplica, _Mapping]]] = ..., replicas_left_out: _Optional[int] = ...) -> None: ...
