"""Tells when foreign code is entered by a thread that holds a lock of the framework.

While a thread holds a lock that a module of `framework` made, each Python function that it enters is looked at: one
that lives in this repository, but neither in `framework` nor in `metatype`, is a listener, a factory, a comparison or
another callback. None of them may be called there.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    import pytest

F = TypeVar("F", bound="Callable[..., Any]")

_ROOT: Final = Path(__file__).resolve().parents[2]
_REPOSITORY: Final = f"{_ROOT}/"
_OWN: Final = tuple(f"{_ROOT / name}/" for name in ("framework", "metatype", ".venv"))
_DISK: Final = f"{Path(__file__).parent / 'configuration' / 'sqlite_disk.py'}"
"""The disk that tests put under SQLite, which is called by SQLite and by nobody else."""

_DOUBLES: Final[set[CodeType]] = set()

_RealLock: Final = threading.Lock
_RealRLock: Final = threading.RLock
_RealCondition: Final = threading.Condition


def stands_for_framework(double: F) -> F:
    """Mark a test's function that takes the place of one of the framework's own: it may be called under a lock."""
    _DOUBLES.add(double.__code__)
    return double


class LockWatch:
    """Watches the locks that modules of the framework make while it is installed.

    Attributes:
        violations: What foreign functions were entered with a lock held, with their places.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._held = threading.local()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the framework make watched locks from now on."""
        monkeypatch.setattr(threading, "Lock", self._lock)
        monkeypatch.setattr(threading, "RLock", self._rlock)
        monkeypatch.setattr(threading, "Condition", self._condition)

    def acquired(self) -> None:
        """The current thread holds one lock more."""
        held = self._held
        held.count = getattr(held, "count", 0) + 1
        if held.count == 1:
            held.profile = sys.getprofile()
            sys.setprofile(self._entered)

    def released(self) -> None:
        """The current thread holds one lock less."""
        held = self._held
        held.count -= 1
        if held.count == 0:
            sys.setprofile(held.profile)

    def _lock(self) -> Any:
        return WatchedLock(self, _RealLock()) if _maker_is_framework() else _RealLock()

    def _rlock(self) -> Any:
        return WatchedRLock(self, _RealRLock()) if _maker_is_framework() else _RealRLock()

    def _condition(self, lock: Any = None) -> threading.Condition:
        if lock is None and _maker_is_framework():
            lock = WatchedRLock(self, _RealRLock())
        return _RealCondition(lock)

    def _entered(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        file = code.co_filename
        if not file.startswith(_REPOSITORY) or file.startswith(_OWN):
            return
        if file not in (__file__, _DISK) and code not in _DOUBLES:
            self.violations.append(f"{code.co_qualname} at {file}:{code.co_firstlineno}")


class WatchedLock:
    """A lock that tells the watch who holds it."""

    def __init__(self, watch: LockWatch, lock: Any) -> None:
        self._watch = watch
        self._lock = lock

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # as threading.Lock has it
        """As `threading.Lock` does."""
        taken: bool = self._lock.acquire(blocking, timeout)
        if taken:
            self._watch.acquired()
        return taken

    def release(self) -> None:
        """As `threading.Lock` does."""
        self._watch.released()
        self._lock.release()

    def locked(self) -> bool:
        """As `threading.Lock` does."""
        return bool(self._lock.locked())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class WatchedRLock(WatchedLock):
    """A re-entrant lock that tells the watch who holds it; a condition may wait with it."""

    def _is_owned(self) -> bool:
        return bool(self._lock._is_owned())  # what threading.Condition asks of its lock

    def _release_save(self) -> tuple[int, Any]:
        state: tuple[int, Any] = self._lock._release_save()  # what threading.Condition asks of its lock
        for _ in range(state[0]):
            self._watch.released()
        return state

    def _acquire_restore(self, state: tuple[int, Any]) -> None:
        self._lock._acquire_restore(state)  # what threading.Condition asks of its lock
        for _ in range(state[0]):
            self._watch.acquired()


def _maker_is_framework() -> bool:
    module: str = sys._getframe(2).f_globals.get("__name__", "")  # who makes the lock is the question
    return module == "framework" or module.startswith("framework.")
