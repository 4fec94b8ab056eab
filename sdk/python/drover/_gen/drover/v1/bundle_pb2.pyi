from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class BundleFile(_message.Message):
    __slots__ = ("path", "executable", "size", "sha256")
    PATH_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    path: str
    executable: bool
    size: int
    sha256: str
    def __init__(self, path: _Optional[str] = ..., executable: bool = ..., size: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class BundleBounds(_message.Message):
    __slots__ = ("max_files", "max_file_bytes", "max_bundle_bytes")
    MAX_FILES_FIELD_NUMBER: _ClassVar[int]
    MAX_FILE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BUNDLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_files: int
    max_file_bytes: int
    max_bundle_bytes: int
    def __init__(self, max_files: _Optional[int] = ..., max_file_bytes: _Optional[int] = ..., max_bundle_bytes: _Optional[int] = ...) -> None: ...
