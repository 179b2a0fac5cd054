"""A file system of which one call fails: every operation that a commit makes on files, counted one after another."""

from __future__ import annotations

import fcntl
import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_CALLS: Final = ("open", "close", "fsync", "fchmod", "link", "replace", "unlink", "stat", "fstat")


class FailingDisk:
    """Counts operations on files, and fails one of them, or all from one on.

    Attributes:
        number: Which operation fails, from 1; 0 for none.
        for_good: Whether all later ones fail too.
        calls: What was done so far, by name.
    """

    def __init__(self, error: int, number: int = 0, *, for_good: bool = False) -> None:
        self._error = error
        self.number = number
        self.for_good = for_good
        self.calls: list[str] = []

    def step(self, name: str) -> None:
        """Count an operation that is about to happen, and fail it if it is its turn."""
        self.calls.append(name)
        count = len(self.calls)
        if self.number and (count == self.number or (self.for_good and count > self.number)):
            raise OSError(self._error, os.strerror(self._error))

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Have all operations of this process go through it for the time of the `with` block."""
        with pytest.MonkeyPatch.context() as patch:
            for name in _CALLS:
                patch.setattr(os, name, self._counted(name, getattr(os, name)))
            patch.setattr(fcntl, "flock", self._counted("flock", fcntl.flock))
            patch.setattr(io, "open", self._opening(io.open))
            yield

    def _counted(self, name: str, real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if name == "close":
                real(*arguments, **named)  # a descriptor is closed even if close fails
                return self.step(name)
            self.step(name)
            return real(*arguments, **named)

        return call

    def _opening(self, real: Any) -> Any:
        def call(file: Any, *arguments: Any, **named: Any) -> Any:
            if not isinstance(file, int):  # what os.fdopen is given is open already
                self.step("open")
            return _File(self, real(file, *arguments, **named))

        return call


class _File:
    def __init__(self, disk: FailingDisk, file: Any) -> None:
        self._disk = disk
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._disk.step("close")

    def read(self, *arguments: Any) -> Any:
        """Read."""
        self._disk.step("read")
        return self._file.read(*arguments)

    def write(self, data: bytes) -> Any:
        """Write; a write that fails has written half of it."""
        try:
            self._disk.step("write")
        except OSError:
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            raise
        return self._file.write(data)

    def flush(self) -> None:
        """Flush."""
        self._disk.step("flush")
        self._file.flush()

    def fileno(self) -> int:
        """The descriptor."""
        number: int = self._file.fileno()
        return number
