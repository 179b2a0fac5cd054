"""SQLite's own disk, watched: a VFS shim that logs every write, sync and truncation, and can fail any of them.

It is laid over the system's VFS through SQLite's C interface, in the very library that Python's `sqlite3` uses. The log
holds all that reaches the disk, so that a test can make any disk that a crash could leave.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OK: Final = 0
FULL: Final = 13  # what the system's VFS says for ENOSPC
IO_ERRORS: Final = {"write": 10 | 3 << 8, "sync": 10 | 4 << 8, "truncate": 10 | 6 << 8}  # for EIO

_METHODS: Final = (
    *("close", "read", "write", "truncate", "sync", "size", "lock", "unlock", "check_reserved", "control"),
    *("sector_size", "characteristics", "shm_map", "shm_lock", "shm_barrier", "shm_unmap", "fetch", "unfetch"),
)
_WRITE: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_TRUNCATE: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_SYNC: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_CLOSE: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_OPEN: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)


class _IoMethods(ctypes.Structure):
    _fields_ = (("version", ctypes.c_int), *((name, ctypes.c_void_p) for name in _METHODS))


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
        ("rest", ctypes.c_void_p * 16),
    )


@dataclass(frozen=True)
class Operation:
    """One thing that SQLite asked of the disk: "write", "truncate" or "sync"."""

    what: str
    file: str
    offset: int = 0
    data: bytes = b""


class WatchedDisk:
    """Watches files whose path begins with `directory`, from `install` to `remove`.

    Attributes:
        log: All operations since it was last cleared.
        fail: What the numbered operation of the log, and all after it, answer instead of being done.
    """

    def __init__(self, directory: Path) -> None:
        self.log: list[Operation] = []
        self.fail: tuple[int, str] | None = None
        self._directory = str(directory.resolve())
        # Importing sqlite3 has loaded it; the same file again is the same library.
        self._library = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
        self._library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._library.sqlite3_vfs_find.argtypes = (ctypes.c_char_p,)
        self._files: dict[int, str] = {}
        self._kept: list[Any] = []
        self._shims: dict[int, _IoMethods] = {}

    def install(self) -> None:
        """Make it the disk of all connections that are opened from now on."""
        vfs = self._library.sqlite3_vfs_find(None).contents
        self._original = ctypes.cast(vfs.open, _OPEN)
        self._vfs, self._open_before = vfs, vfs.open
        ours = _OPEN(self._open)
        self._kept.append(ours)
        vfs.open = ctypes.cast(ours, ctypes.c_void_p)

    def remove(self) -> None:
        """Take it away again; connections that it watches must be closed."""
        self._vfs.open = self._open_before

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out_flags: int | None) -> int:
        # SQLite keeps the pointer to the name, so the pointer itself is handed on and not a copy of the text.
        status = self._original(vfs, name, file, flags, out_flags)
        path = ctypes.string_at(name).decode() if name else ""
        if status == OK and path.startswith(self._directory):
            self._files[file] = Path(path).name
            place = ctypes.cast(file, ctypes.POINTER(ctypes.c_void_p))
            place[0] = ctypes.addressof(self._shim(int(place[0] or 0)))
        return int(status)

    def _shim(self, address: int) -> _IoMethods:
        """Our methods over those at an address; SQLite has one set for databases and one for logs."""
        if address not in self._shims:
            self._shims[address] = self._make_shim(_IoMethods.from_address(address))
        return self._shims[address]

    def _make_shim(self, original: _IoMethods) -> _IoMethods:
        methods = _IoMethods.from_buffer_copy(original)
        write, truncate = ctypes.cast(original.write, _WRITE), ctypes.cast(original.truncate, _TRUNCATE)
        sync, close = ctypes.cast(original.sync, _SYNC), ctypes.cast(original.close, _CLOSE)

        def on_write(file: int, data: int, amount: int, offset: int) -> int:
            operation = Operation("write", self._files[file], offset, ctypes.string_at(data, amount))
            return self._answer(operation) or int(write(file, data, amount, offset))

        def on_truncate(file: int, size: int) -> int:
            return self._answer(Operation("truncate", self._files[file], size)) or int(truncate(file, size))

        def on_sync(file: int, flags: int) -> int:
            return self._answer(Operation("sync", self._files[file])) or int(sync(file, flags))

        def on_close(file: int) -> int:
            self._files.pop(file, None)
            return int(close(file))

        for name, function in (
            ("write", _WRITE(on_write)),
            ("truncate", _TRUNCATE(on_truncate)),
            ("sync", _SYNC(on_sync)),
            ("close", _CLOSE(on_close)),
        ):
            self._kept.append(function)
            setattr(methods, name, ctypes.cast(function, ctypes.c_void_p))
        # Without memory mapping every change goes through the methods above.
        methods.version = min(methods.version, 2)
        return methods

    def _answer(self, operation: Operation) -> int:
        number = len(self.log)
        self.log.append(operation)
        if self.fail is None or number < self.fail[0]:
            return OK
        return FULL if self.fail[1] == "ENOSPC" and operation.what == "write" else IO_ERRORS[operation.what]


def disks_after(before: dict[str, bytes], log: list[Operation], cut: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The disks that a crash after `cut` operations may leave, each with a name.

    What was synced is there. What was not may be there, be lost from any operation on, be torn in the middle of the
    last write, or have reached the disk in another order (the last write without those before it).
    """
    done = log[:cut]
    yield "all of it is there", _played(before, done)
    synced = {one.file: place for place, one in enumerate(done) if one.what == "sync"}
    loose = [place for place, one in enumerate(done) if one.what != "sync" and place > synced.get(one.file, -1)]
    if not loose:
        return
    kept = [one for place, one in enumerate(done) if place not in loose]
    yield "what was not synced is lost", _played(before, kept)
    last = done[loose[-1]]
    if last.what == "write":
        half = Operation("write", last.file, last.offset, last.data[: len(last.data) // 2])
        yield "the last write is torn", _played(before, [*(one for one in done if one is not last), half])
    if len(loose) > 1:
        yield "the last write came first", _played(before, [*kept, last])
        first = loose[0]
        yield "the first write is lost", _played(before, [one for place, one in enumerate(done) if place != first])


def _played(before: dict[str, bytes], operations: Iterable[Operation]) -> dict[str, bytes]:
    files = {name: bytearray(content) for name, content in before.items()}
    for one in operations:
        content = files.setdefault(one.file, bytearray())
        if one.what == "write":
            if len(content) < one.offset:
                content.extend(bytes(one.offset - len(content)))
            content[one.offset : one.offset + len(one.data)] = one.data
        elif one.what == "truncate":
            del content[one.offset :]
    return {name: bytes(content) for name, content in files.items()}
