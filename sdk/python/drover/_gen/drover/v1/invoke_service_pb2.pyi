from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InvokeRequest(_message.Message):
    __slots__ = ("deployment", "method", "json", "bytes", "arguments", "parts")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    method: str
    json: _struct_pb2.Value
    bytes: bytes
    arguments: Arguments
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    def __init__(self, deployment: _Optional[str] = ..., method: _Optional[str] = ..., json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., bytes: _Optional[bytes] = ..., arguments: _Optional[_Union[Arguments, _Mapping]] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ...) -> None: ...

class InvokeResponse(_message.Message):
    __slots__ = ("json", "bytes", "parts")
    JSON_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    json: _struct_pb2.Value
    bytes: bytes
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    def __init__(self, json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., bytes: _Optional[bytes] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ...) -> None: ...

class InvokeServerStreamRequest(_message.Message):
    __slots__ = ("deployment", "method", "json", "bytes", "arguments", "parts")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    deployment: str
    method: str
    json: _struct_pb2.Value
    bytes: bytes
    arguments: Arguments
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    def __init__(self, deployment: _Optional[str] = ..., method: _Optional[str] = ..., json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., bytes: _Optional[bytes] = ..., arguments: _Optional[_Union[Arguments, _Mapping]] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ...) -> None: ...

class InvokeServerStreamResponse(_message.Message):
    __slots__ = ("json", "bytes", "parts")
    JSON_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    json: _struct_pb2.Value
    bytes: bytes
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    def __init__(self, json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., bytes: _Optional[bytes] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ...) -> None: ...

class Arguments(_message.Message):
    __slots__ = ("positional", "named")
    class NamedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    POSITIONAL_FIELD_NUMBER: _ClassVar[int]
    NAMED_FIELD_NUMBER: _ClassVar[int]
    positional: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    named: _containers.MessageMap[str, _struct_pb2.Value]
    def __init__(self, positional: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ..., named: _Optional[_Mapping[str, _struct_pb2.Value]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("path", "element_type", "shape", "media_type", "data")
    PATH_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    path: str
    element_type: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    media_type: str
    data: bytes
    def __init__(self, path: _Optional[str] = ..., element_type: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., media_type: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...
