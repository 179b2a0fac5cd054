"""One gateway for each state directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from framework.errors import FrameworkError

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "gateway.lock"
"""The lock's file in the state directory; it holds the pid of the gateway that has it."""


class InstanceLockError(FrameworkError):
    """Another gateway uses the state directory.

    Attributes:
        state_directory: The directory.
        pid: The other gateway's process id, or None if it cannot be told.
    """

    def __init__(self, state_directory: Path, pid: int | None) -> None:
        who = "another gateway" if pid is None else f"the gateway with process id {pid}"
        super().__init__(f"{who} uses {state_directory}; stop it first, or choose another --state-dir")
        self.state_directory = state_directory
        self.pid = pid


class InstanceLock:
    """Held from `acquire` to `release`, or to the end of the process, however it ends.

    Args:
        state_directory: The directory to be had alone; it must be there.
    """

    def __init__(self, state_directory: Path) -> None:
        self._directory = state_directory
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock; InstanceLockError if another process has it."""
        handle = os.open(self._directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            content = os.read(handle, 32).strip()
            os.close(handle)
            raise InstanceLockError(self._directory, int(content) if content.isdigit() else None) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


def other_state_directory(path: Path, state_directory: Path) -> Path | None:
    """The state directory of another gateway that a file lies in, whether it runs or not; None if it is in none.

    Args:
        path: The file, links resolved; it need not be there.
        state_directory: The gateway's own, which is no other's, also where it lies in another one.
    """
    for directory in path.parents:
        with contextlib.suppress(OSError):
            if directory.samefile(state_directory):
                return None
            if (directory / FILE).exists():
                return directory
    return None


def gateway_runs_on(state_directory: Path) -> bool:
    """Whether some gateway holds the lock now; False where it cannot be looked at."""
    try:
        handle = os.open(state_directory / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
