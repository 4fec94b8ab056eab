from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InvokeRequest(_message.Message):
    __slots__ = ("deployment", "method", "json", "bytes")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    method: str
    json: _struct_pb2.Value
    bytes: bytes
    def __init__(self, deployment: _Optional[str] = ..., method: _Optional[str] = ..., json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., bytes: _Optional[bytes] = ...) -> None: ...

class InvokeResponse(_message.Message):
    __slots__ = ("json", "bytes")
    JSON_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    json: _struct_pb2.Value
    bytes: bytes
    def __init__(self, json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., bytes: _Optional[bytes] = ...) -> None: ...

class InvokeServerStreamRequest(_message.Message):
    __slots__ = ("deployment", "method", "json", "bytes")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    method: str
    json: _struct_pb2.Value
    bytes: bytes
    def __init__(self, deployment: _Optional[str] = ..., method: _Optional[str] = ..., json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., bytes: _Optional[bytes] = ...) -> None: ...

class InvokeServerStreamResponse(_message.Message):
    __slots__ = ("json", "bytes")
    JSON_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    json: _struct_pb2.Value
    bytes: bytes
    def __init__(self, json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., bytes: _Optional[bytes] = ...) -> None: ...
