import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReconfigurePhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECONFIGURE_PHASE_UNSPECIFIED: _ClassVar[ReconfigurePhase]
    RECONFIGURE_PHASE_PREPARE: _ClassVar[ReconfigurePhase]
    RECONFIGURE_PHASE_APPLY: _ClassVar[ReconfigurePhase]
    RECONFIGURE_PHASE_REVERT: _ClassVar[ReconfigurePhase]
RECONFIGURE_PHASE_UNSPECIFIED: ReconfigurePhase
RECONFIGURE_PHASE_PREPARE: ReconfigurePhase
RECONFIGURE_PHASE_APPLY: ReconfigurePhase
RECONFIGURE_PHASE_REVERT: ReconfigurePhase

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("replica_id", "deployment", "revision", "config_generation", "services")
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_GENERATION_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    replica_id: str
    deployment: str
    revision: int
    config_generation: int
    services: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, replica_id: _Optional[str] = ..., deployment: _Optional[str] = ..., revision: _Optional[int] = ..., config_generation: _Optional[int] = ..., services: _Optional[_Iterable[str]] = ...) -> None: ...

class ReconfigureRequest(_message.Message):
    __slots__ = ("phase", "config_generation", "user_config", "epoch", "max_ongoing_requests")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_GENERATION_FIELD_NUMBER: _ClassVar[int]
    USER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MAX_ONGOING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    phase: ReconfigurePhase
    config_generation: int
    user_config: _struct_pb2.Value
    epoch: int
    max_ongoing_requests: int
    def __init__(self, phase: _Optional[_Union[ReconfigurePhase, str]] = ..., config_generation: _Optional[int] = ..., user_config: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., epoch: _Optional[int] = ..., max_ongoing_requests: _Optional[int] = ...) -> None: ...

class ReconfigureResponse(_message.Message):
    __slots__ = ("config_generation",)
    CONFIG_GENERATION_FIELD_NUMBER: _ClassVar[int]
    config_generation: int
    def __init__(self, config_generation: _Optional[int] = ...) -> None: ...

class WatchLoadRequest(_message.Message):
    __slots__ = ("interval",)
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    def __init__(self, interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchLoadResponse(_message.Message):
    __slots__ = ("ongoing_requests", "completed_total", "failed_total", "config_generation", "models", "max_models", "batches")
    ONGOING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    FAILED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CONFIG_GENERATION_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    MAX_MODELS_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    ongoing_requests: int
    completed_total: int
    failed_total: int
    config_generation: int
    models: _containers.RepeatedScalarFieldContainer[str]
    max_models: int
    batches: _containers.RepeatedCompositeFieldContainer[BatchTotals]
    def __init__(self, ongoing_requests: _Optional[int] = ..., completed_total: _Optional[int] = ..., failed_total: _Optional[int] = ..., config_generation: _Optional[int] = ..., models: _Optional[_Iterable[str]] = ..., max_models: _Optional[int] = ..., batches: _Optional[_Iterable[_Union[BatchTotals, _Mapping]]] = ...) -> None: ...

class BatchTotals(_message.Message):
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

class DrainRequest(_message.Message):
    __slots__ = ("grace_period", "epoch")
    GRACE_PERIOD_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    grace_period: _duration_pb2.Duration
    epoch: int
    def __init__(self, grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., epoch: _Optional[int] = ...) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ("ongoing_requests",)
    ONGOING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    ongoing_requests: int
    def __init__(self, ongoing_requests: _Optional[int] = ...) -> None: ...
